"""Tests of the backends numpy, onnxruntime-cpu and null. The tests of torch and tensorflow are in separate files."""

import re
from collections.abc import Iterator

import numpy as np
import pytest

from runoff.backends.base import Backend, Settings
from runoff.backends.onnxruntime_backend import create_session
from runoff.backends.registry import (
    ENGINES,
    IN_PROCESS,
    PROTOCOLS,
    REMOTES,
    SERVICES,
    open_in_process,
    protocol_of,
    require_packages,
)
from runoff.conversion import ConversionCache, convert
from runoff.errors import BackendError, BackendUnavailable, ModelError, ShapeError, UsageError
from runoff.models import accuracy
from runoff.models.mlp import Float32Array, Kind, Mlp
from tests.support.models import random_mlp

BATCH_SIZES = (1, 2, 64, 1000)


@pytest.fixture(scope="module", params=[Kind.POLICY, Kind.VALUE])
def mlp(request: pytest.FixtureRequest) -> Mlp:
    """A network of each kind."""
    return random_mlp(request.param, 11, 16, 4)


@pytest.fixture(scope="module")
def onnx(mlp: Mlp) -> bytes:
    """The network as a serialized ONNX file."""
    return convert(mlp, cache=ConversionCache()).onnx


@pytest.fixture(params=["numpy", "onnxruntime-cpu"])
def backend(request: pytest.FixtureRequest, mlp: Mlp, onnx: bytes) -> Iterator[Backend]:
    """Open a backend. Each test that uses this fixture runs once with numpy and once with onnxruntime-cpu."""
    with open_in_process(request.param, mlp, onnx) as opened:
        yield opened


def _batch(size: int, features: int = 11) -> Float32Array:
    return np.random.default_rng(size).normal(size=(size, features)).astype(np.float32)


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
def test_outputs_match_the_reference(backend: Backend, mlp: Mlp, batch_size: int) -> None:
    """The onnxruntime backend runs different code from the second call with a batch size on, so check several calls."""
    for seed in range(3):
        batch = _batch(batch_size) + np.float32(seed)
        accuracy.check(backend.name, mlp, batch, backend.predict(batch))


def test_later_call_does_not_change_earlier_outputs(backend: Backend) -> None:
    """If a backend reused its output memory, a later call would silently change outputs that the caller kept."""
    first = [backend.predict(_batch(2)) for _ in range(2)][-1]
    kept = first.copy()
    backend.predict(_batch(2) * 3)
    assert np.array_equal(kept, first)
    first[:] = 0


@pytest.mark.parametrize(
    "batch",
    [
        pytest.param(np.zeros((2, 10), np.float32), id="too-few-features"),
        pytest.param(np.zeros((0, 11), np.float32), id="no-sample"),
        pytest.param(np.zeros(11, np.float32), id="one-dimension"),
        pytest.param(np.zeros((2, 11), np.float64), id="float64"),
        pytest.param(np.zeros((11, 2), np.float32).T, id="not-contiguous"),
    ],
)
def test_batch_of_the_wrong_shape_or_type_is_refused(backend: Backend, batch: Float32Array) -> None:
    """Some frameworks would silently reshape or convert such a batch, so the backend itself must check it."""
    with pytest.raises(ShapeError, match=backend.name):
        backend.predict(batch)


def test_wrong_type_is_refused_after_a_batch_of_the_right_type(backend: Backend) -> None:
    """The onnxruntime backend skips most checks for a known batch size, but it must still check the type."""
    backend.predict(_batch(2))
    backend.predict(_batch(2))
    with pytest.raises(ShapeError, match="float64"):
        backend.predict(_batch(2).astype(np.float64))


def test_bound_memory_of_batch_sizes_is_limited(mlp: Mlp, onnx: bytes) -> None:
    """A service may receive batches of any size, so the backend must not keep memory for each size that it receives."""
    with open_in_process("onnxruntime-cpu", mlp, onnx) as backend:
        for size in range(1, 200):
            accuracy.check(backend.name, mlp, _batch(size), backend.predict(_batch(size)))
        assert len(vars(backend)["_bound"]) <= 64


def test_facts_contain_threads_and_spinning(mlp: Mlp, onnx: bytes) -> None:
    """Timings with different settings must not be compared, so each record must contain the settings."""
    with open_in_process("onnxruntime-cpu", mlp, onnx, Settings(threads=2, spinning=True)) as backend:
        assert (2, True) == (backend.facts["threads"], backend.facts["spinning"])


@pytest.mark.parametrize("spinning", [False, True])
def test_onnxruntime_session_has_the_requested_threads_and_spinning(onnx: bytes, spinning: bool) -> None:
    """Records contain the requested number of threads and spinning, so the session must really use these settings."""
    options = create_session(onnx, "onnxruntime-cpu", Settings(threads=3, spinning=spinning)).get_session_options()
    assert (3, 1) == (options.intra_op_num_threads, options.inter_op_num_threads)
    entries = [options.get_session_config_entry(f"session.{op}_op.allow_spinning") for op in ("intra", "inter")]
    assert [str(int(spinning))] * 2 == entries


def test_null_backend_returns_legal_outputs(mlp: Mlp) -> None:
    """Clients check that probabilities sum to 1, so a service with the null backend must return such outputs."""
    outputs = open_in_process("null", mlp).predict(_batch(3))
    assert np.allclose(outputs, 0.25 if mlp.kind is Kind.POLICY else 0.5)


def test_cuda_without_a_gpu_is_an_error_with_the_cure(mlp: Mlp, onnx: bytes) -> None:
    """A backend whose name ends in -cuda must fail without a GPU, or the CPU's timings would be labelled as a GPU's."""
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has a CUDA provider")
    with pytest.raises(BackendUnavailable, match=re.escape("runoff[gpu]")):
        open_in_process("onnxruntime-cuda", mlp, onnx)


def test_error_about_an_unknown_backend_lists_the_backends(mlp: Mlp) -> None:
    """The user may have mistyped the name, so the error must list the valid names."""
    with pytest.raises(UsageError, match="numpy, onnxruntime-cpu"):
        open_in_process("onnx", mlp)


def test_bytes_that_are_no_onnx_file_are_refused(mlp: Mlp) -> None:
    """ONNX Runtime's own error is a C++ trace that does not name the backend, so the backend must replace it."""
    with pytest.raises(ModelError, match="cannot load the model"):
        open_in_process("onnxruntime-cpu", mlp, b"no onnx")


def test_onnx_file_without_weights_runs_on_onnxruntime_only(onnx: bytes) -> None:
    """All other backends build the network from its weights, so without weights they must report an error."""
    with pytest.raises(BackendError, match="needs the model's weights"):
        open_in_process("numpy", None, onnx)


def test_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error must contain the complete command that installs the package, so that users can copy it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(BackendUnavailable, match=re.escape("pip install 'runoff[torch]'")):
        require_packages("torch-cpu")


def test_tables_of_the_registry_refer_to_each_other() -> None:
    """Without this test, a mistake in the registry's tables would show only when a user opens the affected backend."""
    assert {name for devices in ENGINES.values() for name in devices.values()} <= set(IN_PROCESS)
    assert set(SERVICES.values()) <= set(ENGINES)
    assert {protocol_of(name) for name in (*SERVICES, *REMOTES)} == set(PROTOCOLS)
