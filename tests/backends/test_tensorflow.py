"""TensorFlow as a backend, in one process of its own: its thread numbers hold for a whole process."""

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

# What the tests look at, found in one go: importing TensorFlow takes seconds.
PROBE = """
import json, sys
import numpy as np
from runoff.models import accuracy
from runoff.backends.base import Settings
from runoff.backends.registry import open_in_process
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
    found["astray"] = f"{type(error).__name__}: {error}"
found["other threads"] = error_of("tensorflow-cpu", threads=1)
try:
    backend.predict(np.ones((2, 4), np.float32))
except RunoffError as error:
    found["shape"] = f"{type(error).__name__}: {error}"
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def probe() -> "subprocess.CompletedProcess[str]":
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
    values: dict[str, Any] = json.loads(probe.stdout)
    return values


@pytest.mark.parametrize("batch_size", [1, 7, 64])
@pytest.mark.parametrize("kind", ["policy", "value"])
def test_answers_are_the_models_and_the_callers_own(found: dict[str, Any], kind: str, batch_size: int) -> None:
    """The reference decides; a later call must not change what a caller kept."""
    fraction_of_allowed, unchanged = found[f"{kind}-{batch_size}"]
    assert fraction_of_allowed <= 1.0
    assert unchanged


def test_device_and_threads_are_what_was_found(found: dict[str, Any]) -> None:
    """They stand beside every number in a record."""
    assert ["cpu", processor_name()] == found["device"]
    assert ("tensorflow", 2, 1) == tuple(found["facts"][key] for key in ("framework", "threads", "inter_op_threads"))


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="has a GPU")
def test_absent_gpu_is_an_error_with_the_cure(found: dict[str, Any]) -> None:
    """A CPU's number must never be called a GPU's."""
    assert found["gpu"].startswith("BackendUnavailable: tensorflow-gpu: TensorFlow")
    assert "sees no GPU" in found["gpu"]
    assert "runoff[gpu]" in found["gpu"]


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="has a GPU")
def test_model_that_ended_on_another_device_is_refused(found: dict[str, Any]) -> None:
    """TensorFlow puts what it cannot place on a GPU silently on the CPU; the answer's own tensor tells."""
    assert "BackendUnavailable: tensorflow-gpu: TensorFlow put the model on " in found["astray"]
    assert "device:CPU:0" in found["astray"]


def test_other_number_of_threads_in_one_process_is_an_error(found: dict[str, Any]) -> None:
    """TensorFlow keeps its first number; a record with the second would be wrong."""
    assert "BackendError: tensorflow-cpu: TensorFlow already runs with 2 threads" in found["other threads"]


def test_wrong_shape_is_a_shape_error(found: dict[str, Any]) -> None:
    """TensorFlow's own words would not name the backend."""
    assert found["shape"].startswith("ShapeError: tensorflow-cpu: batch has shape (2, 4)")


def test_nothing_is_said_on_standard_error(probe: "subprocess.CompletedProcess[str]") -> None:
    """A dozen lines about oneDNN between a user and the table."""
    assert "" == probe.stderr
