"""The house's rules of who may import whom, and that nothing heavy is loaded before it is used."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGE = CHECKOUT / "src" / "runoff"

# From the ground up; a room imports itself and the rooms before it. A module that lies in no folder is ground floor.
GROUND, TOP = "ground floor", "top floor"
ROOMS = (GROUND, "conversion", "backends", "service", "records", "gate", "report", TOP)
TOP_FLOOR = ("__main__", "cli", "commands", "gate_options", "gate_plugin", "gate_replay", "pytest_plugin")
# What a room may not import although it lies before it, and why not.
NOT_ALLOWED = {
    "gate": ("runoff.accuracy", "runoff.backends*", "runoff.conversion*", "runoff.go_json", "runoff.service*"),  # it
    # knows nothing of neural networks: other suites use it for theirs
    "report": ("runoff.backends*", "runoff.service*"),  # records are all it needs, so it can report what others ran
}
# Each heavy library and the modules that may import it, at any depth of their code.
HEAVY = {
    "grpc": ("runoff.service*", "runoff.backends.*grpc*", "runoff.backends.*oip*", "runoff.backends.*remote*"),
    "onnx": ("runoff.conversion*",),
    "onnxruntime": ("runoff.backends.onnxruntime_*", "runoff.conversion*"),
    "onnxscript": ("runoff.conversion*",),
    "pytest": (
        "runoff.gate_options",
        "runoff.gate_plugin",
        "runoff.gate_replay",
        "runoff.gate.injected.*",
        "runoff.pytest_plugin",
    ),
    "tensorflow": ("runoff.backends.tensorflow_*",),
    "torch": ("runoff.backends.torch_*", "runoff.conversion*"),
}
LOADED_LATE = ("grpc", "onnx", "onnxruntime", "onnxscript", "tensorflow", "torch")


def modules(package: Path) -> Iterator[tuple[str, ast.Module]]:
    """Yield the dotted name and the syntax tree of every hand-written module of a package folder."""
    for path in sorted(package.rglob("*.py")):
        if not path.stem.endswith(("_pb2", "_pb2_grpc")):
            words = [package.name, *path.relative_to(package).with_suffix("").parts]
            yield ".".join(words).removesuffix(".__init__"), ast.parse(path.read_text(encoding="utf-8"))


def imported(module: str, tree: ast.Module) -> Iterator[str]:
    """Yield the dotted name of everything that a module imports, in functions too; relative names are refused."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: relative import in line {node.lineno}; name it in full"
            # `from runoff import go_json` imports a module, `from runoff.mlp import Mlp` a name of one.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(name: str) -> str:
    """Return the room of a dotted name of runoff."""
    words = name.split(".")
    second = words[1] if len(words) > 1 else ""
    if second in TOP_FLOOR:
        return TOP
    return second if second in ROOMS else GROUND


def broken_rules(package: Path) -> list[str]:
    """Return one line for each import of a package folder that breaks a rule."""
    broken = []
    for module, tree in modules(package):
        room = room_of(module)
        for name in imported(module, tree):
            library = name.split(".")[0]
            if library == package.name and ROOMS.index(room_of(name)) > ROOMS.index(room):
                broken.append(f"{module} imports {name}: {room} lies below {room_of(name)}")
            if any(fnmatch(name, f"{pattern}*") for pattern in NOT_ALLOWED.get(room, ())):
                broken.append(f"{module} imports {name}: not allowed in {room}")
            if library in HEAVY and not any(fnmatch(module, pattern) for pattern in HEAVY[library]):
                broken.append(f"{module} imports {name}: {library} belongs into {' '.join(HEAVY[library])}")
    return broken


def test_imports_go_down_only_and_heavy_libraries_stay_in_their_rooms() -> None:
    """A ground floor that needs an upper room, or a second door to TensorFlow, cannot be taken apart again."""
    assert [] == broken_rules(PACKAGE)


def test_every_folder_of_the_package_is_a_room() -> None:
    """A folder that no rule knows would be checked as ground floor, with a message that misleads."""
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert set() == folders - set(ROOMS) - set(TOP_FLOOR)


@pytest.mark.parametrize(
    ("module", "line", "complaint"),
    [
        pytest.param("mlp.py", "from runoff.gate import verdict", "ground floor lies below gate", id="upwards"),
        pytest.param("mlp.py", "from runoff import cli", "ground floor lies below top floor", id="upwards-by-name"),
        pytest.param("gate/duel.py", "import runoff.go_json", "not allowed in gate", id="gate-knows-no-networks"),
        pytest.param("report/lines.py", "import runoff.service", "not allowed in report", id="report-runs-nothing"),
        pytest.param("cli.py", "def f():\n    import torch", "torch belongs into", id="heavy-in-a-function"),
        pytest.param("service/server.py", "import tensorflow", "tensorflow belongs into", id="heavy-in-another-room"),
    ],
)
def test_checker_sees_a_broken_rule(tmp_path: Path, module: str, line: str, complaint: str) -> None:
    """A checker that finds nothing in a house with a fault would find nothing ever."""
    path = tmp_path / "runoff" / module
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(line, encoding="utf-8")
    assert [True] == [complaint in fault for fault in broken_rules(tmp_path / "runoff")]


def loaded_by(code: str) -> str:
    """Return which of LOADED_LATE a fresh interpreter has loaded after some code, in words."""
    code += f"\nimport sys\nprint('loaded:', *[name for name in {LOADED_LATE} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()[-1].strip()


@pytest.mark.parametrize(
    "module", ["runoff", "runoff.backends.registry", "runoff.cli", "runoff.pytest_plugin", "runoff.mlp"]
)
def test_import_loads_no_heavy_library(module: str) -> None:
    """Every pytest run on a machine with runoff installed loads the plugin: it must not pay for TensorFlow."""
    assert "loaded:" == loaded_by(f"import {module}")


def test_collecting_the_perf_suite_loads_no_heavy_library() -> None:
    """Somebody who lists or selects cases waits for the collection; TensorFlow alone would take seconds."""
    if not (CHECKOUT / "tests" / "perf").is_dir():
        pytest.skip("there is no tests/perf")
    assert "loaded:" == loaded_by("import pytest\nassert pytest.main(['tests/perf', '--collect-only', '-q']) in (0, 5)")


def test_late_loading_is_seen() -> None:
    """The two tests above say nothing if a loaded library were not noticed."""
    assert "loaded: onnx" == loaded_by("import onnx")
