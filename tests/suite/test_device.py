"""What a record says of a device is what ran, and a run that wants a GPU is not made without one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fixtures.cases import Case
from fixtures.measurement import Answers, Surroundings, case_record
from runoff.backends.base import Device
from runoff.backends.fake_backend import FakeBackend
from runoff.conversion import OnnxModel
from runoff.machine import has_nvidia_gpu
from runoff.records.schema import UNVERIFIED
from runoff.timing import WarmCall
from tests.support.models import random_mlp

ROOT = Path(__file__).parents[2]
WARM = WarmCall(first_call_ns=1, call_ns=1.0, calls=1, steady=True)
SURROUNDINGS = Surroundings(yardstick_before_s=1.0, yardstick_after_s=1.0, load_before=0.0, steal_s=0.0)


@pytest.mark.parametrize("name", ["tensorflow-grpc", "torch-cpu", "remote-oip"])
def test_record_takes_the_device_from_the_backend_and_not_from_its_name(name: str) -> None:
    """One name runs on a GPU here and on a CPU there."""
    mlp = random_mlp()
    model = OnnxModel(onnx=b"", input_size=5, output_size=3, mlp=mlp, digest=mlp.digest, accuracy=None)
    backend = FakeBackend(mlp)
    backend.device = Device("gpu", "a GPU")
    answers = Answers(UNVERIFIED)
    record = case_record(Case(name, "net", 4), model, backend, answers, WARM, SURROUNDINGS, np.ones(5))
    assert ("gpu", "a GPU") == (record.device_type, record.device_name)


@pytest.mark.skipif(has_nvidia_gpu(), reason="has a GPU")
def test_run_on_a_gpu_alone_is_not_made_without_one() -> None:
    """Not on the CPU instead, and before anything was timed."""
    command = [sys.executable, "-m", "pytest", "tests/perf", "--gpu-only", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert pytest.ExitCode.USAGE_ERROR == done.returncode
    assert "--gpu-only: no NVIDIA GPU is to be seen on this machine; leave the option out" in done.stderr
