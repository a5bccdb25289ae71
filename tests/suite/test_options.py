"""What the user asks for is checked before anything runs, and means what it says."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def collect(*options: str) -> "subprocess.CompletedProcess[str]":
    """Collect the perf suite with some options in a pytest of its own."""
    command = [sys.executable, "-m", "pytest", "tests/perf", "--collect-only", "-q", "-p", "no:cacheprovider"]
    return subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def _ids(*options: str) -> list[str]:
    lines = collect(*options).stdout.splitlines()
    return [line.partition("[")[2].rstrip("]") for line in lines if "::" in line]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch-sizes", "0"], "expected a whole number from 1"),
        (["--batch-sizes", "-1"], "--batch-sizes"),
        (["--batch-sizes", "1,1"], "more than once"),
        (["--batch-sizes", "1,01"], "more than once"),
        (["--batch-sizes", "1,,8"], "empty entry"),
        (["--batch-sizes", "1e3"], "expected a whole number"),
        (["--batch-sizes", "999999"], "from 1 to 65536"),
        (["--threads", "100000"], "from 1 to 256"),
        (["--backends", "all,numpy"], "`all` stands alone"),
        (["--rounds", "0"], "expected a whole number from 1"),
        (["--rounds", "nan"], "expected a whole number from 1"),
        (["--rounds", "5%%"], "expected a whole number from 1"),
        (["--backends", "keras"], "no backend named 'keras'; known: numpy, onnxruntime-cpu"),
        (["--backends", "numpy,numpy"], "more than once"),
        (["--backends", "remote-grpc"], "add --grpc-addr HOST:PORT"),
        (["--backends", "onnxruntime-cuda", "--cpu-only"], "is excluded by --cpu-only"),
        (["--cpu-only", "--gpu-only"], "use one of them"),
        (["--backends", "remote-oip"], "add --oip-addr HOST:PORT"),
        (["--grpc-addr", ""], "expected HOST:PORT"),
        (["--oip-addr", ""], "--oip-addr: is empty, expected HOST:PORT"),
        (["--oip-addr", "127.0.0.1"], "has no port"),
        (["--oip-addr", "127.0.0.1:65536"], "from 0 to 65535"),
        (["--oip-addr", "no host:1"], "no host"),
        (["--oip-addr", "127.0.0.1:8001", "--oip-model", " "], "--oip-model: is empty"),
        (["--oip-addr", "127.0.0.1:8001", "--oip-version", ""], "--oip-version: is empty"),
        (["--oip-model", "net"], "add --oip-addr HOST:PORT"),
        (["--oip-version", "1"], "add --oip-addr HOST:PORT"),
        (["--grpc-addr", "127.0.0.1"], "has no port"),
        (["--grpc-addr", "127.0.0.1:65536"], "from 0 to 65535"),
        (["--grpc-addr", "no host:1"], "no host"),
        (["--grpc-tls-ca", "nowhere.pem"], "add --grpc-addr or --oip-addr"),
        (["--grpc-addr", "127.0.0.1:1", "--grpc-tls-ca", "nowhere.pem"], "--grpc-tls-ca nowhere.pem: "),
        (["--oip-addr", "127.0.0.1:1", "--grpc-tls-ca", "README.md"], "holds no certificate in PEM"),
        (["--grpc-addr", "127.0.0.1:1", "--grpc-tls-cert", "nowhere.pem"], "go together"),
        (["--model", "nowhere.model"], "no such file"),
        (["--model", "nowhere*.model"], "matches nothing"),
        (["--model", "tests"], "a folder without .model files"),
        (["--model", "fixtures/models", "fixtures/models/rps_h64_policy.model"], "named twice"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_option_that_cannot_be_used_is_a_usage_error(options: list[str], message: str) -> None:
    """Exit code 4, one message with the cure, nothing run."""
    done = collect(*options)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_ids_name_backend_model_and_batch_size() -> None:
    """The id is the history key: changing it orphans every saved result."""
    wanted = ["onnxruntime-cpu-rps_h64_policy-b1", "onnxruntime-cpu-rps_h64_policy-b64"]
    model = "fixtures/models/rps_h64_policy.model"
    assert wanted == _ids("--model", model, "--backends", "onnxruntime-cpu", "--batch-sizes", "1,64")


def test_default_run_times_four_backends_on_four_models_at_five_batch_sizes() -> None:
    """The first answer a newcomer gets."""
    ids = _ids()
    assert len(ids) == 4 * 4 * 5
    assert ids[:4] == [
        f"{name}-rps_h256_policy-b1" for name in ("onnxruntime-cpu", "numpy", "tensorflow-grpc", "null-grpc")
    ]


def test_address_puts_the_running_service_in_the_place_of_our_own() -> None:
    """A user who names a service wants that one timed."""
    ids = _ids(
        "--grpc-addr", "127.0.0.1:50052", "--batch-sizes", "1", "--model", "fixtures/models/rps_h64_policy.model"
    )
    wanted = ["onnxruntime-cpu", "numpy", "remote-grpc", "null-grpc"]
    assert [f"{name}-rps_h64_policy-b1" for name in wanted] == ids


def test_open_inference_server_takes_the_place_of_our_own_with_the_floor_of_its_messages() -> None:
    """What messages cost alone is a question to the protocol that is timed."""
    model = "fixtures/models/rps_h64_policy.model"
    ids = _ids("--oip-addr", "127.0.0.1:8001", "--oip-model", "net", "--batch-sizes", "1", "--model", model)
    wanted = ["onnxruntime-cpu", "numpy", "remote-oip", "null-oip"]
    assert [f"{name}-rps_h64_policy-b1" for name in wanted] == ids


def test_cpu_only_leaves_no_gpu_backend_among_all() -> None:
    """`all` means all that the other options leave."""
    ids = _ids("--backends", "all", "--cpu-only", "--quick")
    assert ids
    assert not [name for name in ids if "cuda" in name or "gpu" in name]


def test_options_stand_in_the_help() -> None:
    """A user finds them without reading code."""
    command = [sys.executable, "-m", "pytest", "--help"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    wanted = [
        "--model",
        "--onnx-model",
        "--batch-sizes",
        "--backends",
        "--grpc-addr",
        "--oip-addr",
        "--oip-model",
        "--oip-version",
        "--cpu-only",
        "--quick",
        "--rounds",
    ]
    assert [option for option in wanted if option not in text] == []


def test_model_may_lie_in_another_checkout(tmp_path: Path) -> None:
    """Models are trained wherever; pytest loads the conftest.py that stands above one."""
    shutil.copy(ROOT / "conftest.py", tmp_path)
    model = shutil.copy(ROOT / "fixtures" / "models" / "rps_h64_policy.model", tmp_path / "mine.model")
    options = ("--backends", "numpy", "--batch-sizes", "1", "--model", str(model))
    assert ["numpy-mine-b1"] == _ids(*options), collect(*options).stderr
