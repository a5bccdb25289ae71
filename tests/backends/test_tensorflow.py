"""Tests of the TensorFlow backend. They run it in a separate process, because its options affect the whole process."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runoff.measurement.machine import processor_name

pytestmark = pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs tensorflow")

# One process collects the results for all tests in this file, because importing TensorFlow takes seconds.
PROBE = """
import contextlib, io, json
import numpy as np
from runoff.models import accuracy
from runoff.backends.base import Settings
from runoff.backends.registry import open_in_process
from runoff.cli.main import main
from runoff.errors import RunoffError
from runoff.models.mlp import Kind
from tests.support.models import random_mlp

found = {}

def error_of(name, threads=2):
    try:
        open_in_process(name, random_mlp(), settings=Settings(threads))
    except RunoffError as error:
        return f"{type(error).__name__}: {error}"

found["gpu"] = error_of("tensorflow-gpu")
for kind in Kind:
    mlp = random_mlp(kind, 81, 64, 9)
    backend = open_in_process("tensorflow-cpu", mlp, settings=Settings(2))
    for batch_size in (1, 7, 64):
        batch = np.random.default_rng(0).random((batch_size, 81), dtype=np.float32)
        outputs = backend.predict(batch)
        kept = outputs.copy()
        checked = accuracy.check(backend.name, mlp, batch, outputs)
        backend.predict(np.zeros_like(batch))
        found[f"{kind}-{batch_size}"] = [checked.fraction_of_allowed, bool((kept == outputs).all())]
found["device"] = [backend.device.type, backend.device.name]
found["facts"] = backend.facts
from runoff.backends.tensorflow_backend import TensorFlowBackend
try:
    TensorFlowBackend("tensorflow-gpu", random_mlp(), "gpu")
except RunoffError as error:
    found["wrong device"] = f"{type(error).__name__}: {error}"
found["other threads"] = error_of("tensorflow-cpu", threads=1)
try:
    backend.predict(np.ones((2, 4), np.float32))
except RunoffError as error:
    found["shape"] = f"{type(error).__name__}: {error}"
out, err = io.StringIO(), io.StringIO()
with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
    options = ["--engine", "tensorflow", "--device", "gpu", "--untrained", "4,3,2", "--port", "0"]
    found["gpu service"] = [main(["serve", *options]), out.getvalue(), err.getvalue()]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def probe() -> "subprocess.CompletedProcess[str]":
    """The finished process that ran PROBE."""
    checkout = Path(__file__).parents[2]
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    result = subprocess.run(
        [sys.executable, "-c", PROBE],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert 0 == result.returncode, result.stderr
    return result


@pytest.fixture(scope="module")
def found(probe: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    """The values that PROBE printed, by name."""
    values: dict[str, Any] = json.loads(probe.stdout)
    return values


@pytest.mark.parametrize("batch_size", [1, 7, 64])
@pytest.mark.parametrize("kind", ["policy", "value"])
def test_outputs_match_the_reference_and_stay_unchanged(found: dict[str, Any], kind: str, batch_size: int) -> None:
    """If a backend reused its output memory, a later call would silently change outputs that the caller kept."""
    fraction_of_allowed, unchanged = found[f"{kind}-{batch_size}"]
    assert fraction_of_allowed <= 1.0
    assert unchanged


def test_facts_contain_device_and_threads_in_use(found: dict[str, Any]) -> None:
    """Timings depend on device and number of threads, so the record must contain the ones that are really used."""
    assert ["cpu", processor_name()] == found["device"]
    assert ("tensorflow", 2, 1) == tuple(found["facts"][key] for key in ("framework", "threads", "inter_op_threads"))


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="has a GPU")
def test_absent_gpu_is_an_error_with_the_cure(found: dict[str, Any]) -> None:
    """Without a GPU, the backend must fail, because timings of the CPU would be labelled as a GPU's."""
    assert found["gpu"].startswith("BackendUnavailable: tensorflow-gpu: TensorFlow")
    assert "sees no GPU" in found["gpu"]
    assert "runoff[gpu]" in found["gpu"]


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="has a GPU")
def test_service_does_not_start_without_the_requested_gpu(found: dict[str, Any]) -> None:
    """If the service silently ran on the CPU instead of the GPU, its timings would be labelled as a GPU's."""
    exit_code, output, errors = found["gpu service"]
    assert (1, "") == (exit_code, output)
    assert "an NVIDIA GPU" in errors
    assert "pip install 'runoff[gpu]'" in errors
    assert "Traceback" not in errors


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="has a GPU")
def test_model_on_another_device_is_refused(found: dict[str, Any]) -> None:
    """TensorFlow silently runs an operation on the CPU if the GPU cannot, so the backend must check the device."""
    assert "BackendUnavailable: tensorflow-gpu: TensorFlow put the model on " in found["wrong device"]
    assert "device:CPU:0" in found["wrong device"]


def test_other_number_of_threads_in_one_process_is_an_error(found: dict[str, Any]) -> None:
    """TensorFlow cannot change its number of threads after its first use, so a request for another number must fail."""
    assert "BackendError: tensorflow-cpu: TensorFlow already runs with 2 threads" in found["other threads"]


def test_wrong_shape_is_a_shape_error(found: dict[str, Any]) -> None:
    """TensorFlow's own error would not name the backend, so the backend must check the shape first."""
    assert found["shape"].startswith("ShapeError: tensorflow-cpu: batch has shape (2, 4)")


def test_tensorflow_writes_nothing_to_standard_error(probe: "subprocess.CompletedProcess[str]") -> None:
    """TensorFlow logs a dozen lines when it starts. Among so many lines, the user could overlook the results."""
    assert "" == probe.stderr
