"""runoff's modules import only what the design allows, and heavy libraries are loaded only when they are needed."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGE = CHECKOUT / "src" / "runoff"

# The layers of the package, called rooms, from the lowest to the highest. A room is a folder or a module; it may import
# itself and the rooms listed before it. The folder `files` and the modules not listed here form the lowest room.
GROUND = "ground floor"
ROOMS = (
    GROUND, "gate", "models", "measurement", "conversion", "rpc", "backends", "service", "records", "report", "cli",
    "pytest_plugin",
)  # fmt: skip
# The folders of the two protocols in `rpc`. The other modules of `rpc` serve both protocols and import neither.
PROTOCOLS = ("neural", "oip")
# The folders inside `gate`; "pytest side" stands for the other modules of `gate`. Each may import itself and the
# folders before it in this list. `worker` must not import runoff, because it runs in environments that may lack it.
GATE_ROOMS = ("worker", "statistics", "baseline", "run", "pytest side")
# Further forbidden imports: a room (key) must not import these rooms (value), although ROOMS would allow it.
NOT_ALLOWED = {
    # Reports need only records, so that they can show runs from a machine whose backends are not installed here.
    "report": ("backends", "service", "rpc", "conversion"),
    "records": ("backends", "service", "rpc", "conversion"),
}
# The only allowed import between the two protocols' folders. runoff's service needs it, because the service adds a
# ModelInfoResponse of the original protocol to its ModelMetadata response of the Open Inference Protocol.
SHARED_BETWEEN_PROTOCOLS = ("runoff.rpc.neural.model_info_codec.read_model_info",)
# For each heavy library: the modules that may import it, either at the top of the module or inside a function.
HEAVY = {
    "grpc": ("runoff.rpc*", "runoff.service*"),
    "onnx": ("runoff.conversion*",),
    "onnxruntime": ("runoff.backends.onnxruntime_*", "runoff.conversion*"),
    "onnxscript": ("runoff.conversion*",),
    "pytest": ("runoff.gate.run_in_pytest", "runoff.gate.invocation", "runoff.gate.options", "runoff.gate.plugin",
               "runoff.gate.replay", "runoff.gate.worker.*", "runoff.pytest_plugin"),
    "tensorflow": ("runoff.backends.tensorflow_*",),
    "torch": ("runoff.backends.torch_*", "runoff.conversion*"),
}  # fmt: skip
# Folders of the repository that are not part of an installed runoff, so runoff must not import them.
OUTSIDE_THE_WHEEL = ("benchmarks", "fixtures", "tests", "training")
LOADED_LATE = ("grpc", "onnx", "onnxruntime", "onnxscript", "tensorflow", "torch")


def modules(package: Path) -> Iterator[tuple[str, ast.Module]]:
    """Yield the dotted name and the syntax tree of every module of a package, except generated modules."""
    for path in sorted(package.rglob("*.py")):
        if not path.stem.endswith(("_pb2", "_pb2_grpc")):
            parts = [package.name, *path.relative_to(package).with_suffix("").parts]
            yield ".".join(parts).removesuffix(".__init__"), ast.parse(path.read_text(encoding="utf-8"))


def imported(module: str, tree: ast.Module) -> Iterator[str]:
    """Yield the full name of each import in a module, including those inside functions; fail on a relative import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: relative import in line {node.lineno}; name it in full"
            # In `from a import b`, b is a module or a name inside module a. The rules treat both cases alike.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(name: str) -> str:
    """Return the room (an entry of ROOMS) that contains a dotted name such as `runoff.rpc.wire`."""
    second = name.split(".")[1] if "." in name else ""
    return second if second in ROOMS else "cli" if second == "__main__" else GROUND


def gate_room_of(name: str) -> str:
    """Return the entry of GATE_ROOMS that contains a dotted name such as `runoff.gate.run.schedule`."""
    third = [*name.split("."), "", ""][2]
    return third if third in GATE_ROOMS else GATE_ROOMS[-1]


def protocol_of(name: str) -> str:
    """Return the protocol whose folder in `runoff.rpc` contains the dotted name, or an empty string if none does."""
    third = [*name.split("."), "", ""][2]
    return third if third in PROTOCOLS else ""


def broken_rules(package: Path) -> list[str]:
    """Return a description of each import in a package that breaks a rule."""
    broken = []
    for module, tree in modules(package):
        for name in imported(module, tree):
            library = name.split(".")[0]
            if library in OUTSIDE_THE_WHEEL:
                broken.append(f"{module} imports {name}: an installed runoff does not contain it")
            if library == package.name:
                broken += [f"{module} imports {name}: {fault}" for fault in faults_between(module, name)]
            if library in HEAVY and not any(fnmatch(module, pattern) for pattern in HEAVY[library]):
                broken.append(f"{module} imports {name}: {library} belongs into {' '.join(HEAVY[library])}")
    return broken


def faults_between(module: str, name: str) -> Iterator[str]:
    """Yield a description of each rule that forbids a module of runoff to import the given name of runoff."""
    room, other = room_of(module), room_of(name)
    if ROOMS.index(other) > ROOMS.index(room):
        yield f"{room} lies below {other}"
    if other in NOT_ALLOWED.get(room, ()):
        yield f"not allowed in {room}"
    if module.startswith("runoff.gate.worker."):
        yield "a worker's environment may lack runoff"
    elif room == other == "gate":
        inner, outer = gate_room_of(module), gate_room_of(name)
        if GATE_ROOMS.index(outer) > GATE_ROOMS.index(inner):
            yield f"gate/{inner} lies below gate/{outer}"
    if room == other == "rpc" and name not in SHARED_BETWEEN_PROTOCOLS:
        importer, protocol = protocol_of(module), protocol_of(name)
        if protocol and protocol != importer:
            yield f"rpc/{importer or '*.py'} must not depend on rpc/{protocol}"


def test_imports_follow_the_order_of_rooms() -> None:
    """If a room does not import the rooms after it, it can be understood, tested and replaced without them."""
    assert [] == broken_rules(PACKAGE)


def test_every_folder_of_the_package_is_a_room() -> None:
    """The checker would report misleading errors for a folder that is in neither list, ROOMS nor GATE_ROOMS."""
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {"files"} == folders - set(ROOMS)
    gate_folders = {path.parent.name for path in PACKAGE.glob("gate/*/*.py")}
    assert set() == gate_folders - set(GATE_ROOMS)


@pytest.mark.parametrize(
    ("module", "line", "complaint"),
    [
        pytest.param("units.py", "from runoff.gate import report", "ground floor lies below gate", id="upwards"),
        pytest.param("units.py", "from runoff import cli", "ground floor lies below cli", id="upwards-by-name"),
        pytest.param("files/a.py", "import runoff.models.mlp", "ground floor lies below models", id="files-are-ground"),
        pytest.param(
            "gate/run/a.py", "import runoff.models.go_json", "gate lies below models", id="gate-without-models"
        ),
        pytest.param(
            "gate/statistics/a.py", "from runoff.gate.run import result", "gate/statistics lies below", id="inside-gate"
        ),
        pytest.param("gate/run/a.py", "import runoff.gate.plugin", "gate/run lies below", id="gate-without-pytest"),
        pytest.param("gate/worker/a.py", "import runoff.units", "may lack runoff", id="worker-alone"),
        pytest.param("units.py", "from fixtures import cases", "does not contain it", id="nothing-outside-the-wheel"),
        pytest.param("rpc/neural/a.py", "import runoff.backends.base", "rpc lies below backends", id="rpc-below"),
        pytest.param("rpc/a.py", "from runoff.rpc.neural import client", "must not depend", id="rpc-above-protocols"),
        pytest.param("rpc/oip/a.py", "import runoff.rpc.neural.client", "must not depend", id="protocol-alone"),
        pytest.param("report/lines.py", "import runoff.service", "not allowed in report", id="report-without-service"),
        pytest.param("cli/a.py", "def f():\n    import torch", "torch belongs into", id="heavy-in-a-function"),
        pytest.param("service/server.py", "import tensorflow", "tensorflow belongs into", id="heavy-in-another-room"),
    ],
)
def test_checker_finds_a_broken_rule(tmp_path: Path, module: str, line: str, complaint: str) -> None:
    """If the checker never found anything, the test of the real package would pass without checking anything."""
    path = tmp_path / "runoff" / module
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(line, encoding="utf-8")
    assert [True] == [complaint in fault for fault in broken_rules(tmp_path / "runoff")]


def loaded_by(code: str) -> str:
    """Run code in a new interpreter; return "loaded:" followed by the libraries of LOADED_LATE that the code loaded."""
    code += f"\nimport sys\nprint('loaded:', *[name for name in {LOADED_LATE} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()[-1].strip()


@pytest.mark.parametrize(
    "module", ["runoff", "runoff.backends.registry", "runoff.cli.main", "runoff.pytest_plugin", "runoff.models.mlp"]
)
def test_import_loads_no_heavy_library(module: str) -> None:
    """Every pytest run imports runoff's plugin if runoff is installed. Loading TensorFlow would delay it by seconds."""
    assert "loaded:" == loaded_by(f"import {module}")


def test_collecting_the_perf_suite_loads_no_heavy_library() -> None:
    """Listing or selecting cases must be quick. Loading TensorFlow during the collection would take seconds."""
    if not (CHECKOUT / "tests" / "perf").is_dir():
        pytest.skip("needs the folder tests/perf")
    # run_benchmark.sh starts pytest without these plugins.
    plugins = ["-p", "no:hypothesispytest", "-p", "no:timeout", "-p", "no:xdist"]
    arguments = ["tests/perf", "--collect-only", "-q", *plugins]
    assert "loaded:" == loaded_by(f"import pytest\nassert pytest.main({arguments}) in (0, 5)")


def test_loaded_library_is_reported() -> None:
    """If `loaded_by` never reported a library, the two tests above would pass without checking anything."""
    assert "loaded: onnx" == loaded_by("import onnx")
