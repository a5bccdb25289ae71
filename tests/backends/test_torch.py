"""Tests of the PyTorch backend: its outputs, facts, devices and errors."""

import numpy as np
import pytest

from runoff.backends.base import Settings
from runoff.backends.registry import open_in_process
from runoff.errors import BackendUnavailable, ShapeError
from runoff.measurement.machine import processor_name
from runoff.models import accuracy
from runoff.models.mlp import Kind
from tests.support.models import random_mlp

torch = pytest.importorskip("torch", reason="needs torch")


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_outputs_match_the_reference(kind: Kind, batch_size: int) -> None:
    """Timings are worthless if the backend does not compute the same function as the reference."""
    mlp = random_mlp(kind, 81, 64, 9)
    batch = np.random.default_rng(0).random((batch_size, 81), dtype=np.float32)
    with open_in_process("torch-cpu", mlp) as backend:
        accuracy.check(backend.name, mlp, batch, backend.predict(batch))


def test_facts_contain_device_and_threads_in_use() -> None:
    """Timings depend on device and number of threads, so the record must contain the ones that are really used."""
    with open_in_process("torch-cpu", random_mlp(), settings=Settings(threads=2)) as backend:
        assert ("cpu", processor_name()) == (backend.device.type, backend.device.name)
        assert {
            "framework": "torch",
            "framework_version": torch.__version__,
            "threads": 2,
            "spinning": False,
        } == backend.facts


def test_later_call_does_not_change_earlier_outputs() -> None:
    """If a backend reused its output memory, a later call would silently change outputs that the caller kept."""
    with open_in_process("torch-cpu", random_mlp()) as backend:
        first = backend.predict(np.ones((2, 5), np.float32))
        kept = first.copy()
        backend.predict(np.zeros((2, 5), np.float32))
        np.testing.assert_array_equal(kept, first)
        assert first.flags.writeable


def test_read_only_batch_is_accepted_without_a_warning() -> None:
    """PyTorch warns if a tensor shares the memory of a read-only array, so the backend must copy read-only batches."""
    batch = np.ones((2, 5), np.float32)
    batch.setflags(write=False)
    with open_in_process("torch-cpu", random_mlp()) as backend:
        assert (2, 3) == backend.predict(batch).shape


def test_wrong_shape_is_a_shape_error() -> None:
    """PyTorch's own error would not name the backend, so the backend must check the shape first."""
    with open_in_process("torch-cpu", random_mlp()) as backend, pytest.raises(ShapeError, match="torch-cpu: batch has"):
        backend.predict(np.ones((2, 4), np.float32))


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_absent_gpu_is_an_error_with_the_cure() -> None:
    """Without a GPU, the backend must fail, because timings of the CPU would be labelled as a GPU's."""
    with pytest.raises(BackendUnavailable, match=r"torch-cuda: no usable CUDA device.*runoff\[gpu\]"):
        open_in_process("torch-cuda", random_mlp())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_outputs_on_a_gpu_match_the_reference() -> None:
    """On a GPU, PyTorch could use TensorFloat-32, whose errors exceed the tolerance, so the backend must disable it."""
    mlp = random_mlp(Kind.POLICY, 81, 256, 9)
    batch = np.random.default_rng(0).random((64, 81), dtype=np.float32)
    with open_in_process("torch-cuda", mlp) as backend:
        assert ("gpu", torch.cuda.get_device_name()) == (backend.device.type, backend.device.name)
        accuracy.check(backend.name, mlp, batch, backend.predict(batch))
