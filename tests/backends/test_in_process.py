"""Every light in-process backend keeps the contract; the heavy ones have files of their own."""

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
    """It as ONNX."""
    return convert(mlp, cache=ConversionCache()).onnx


@pytest.fixture(params=["numpy", "onnxruntime-cpu"])
def backend(request: pytest.FixtureRequest, mlp: Mlp, onnx: bytes) -> Iterator[Backend]:
    """Each backend that computes and starts fast, opened."""
    with open_in_process(request.param, mlp, onnx) as opened:
        yield opened


def _batch(size: int, features: int = 11) -> Float32Array:
    return np.random.default_rng(size).normal(size=(size, features)).astype(np.float32)


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
def test_answers_are_the_references(backend: Backend, mlp: Mlp, batch_size: int) -> None:
    """On every call path: the first call of a size, and those after it, differ inside ONNX Runtime's backend."""
    for seed in range(3):
        batch = _batch(batch_size) + np.float32(seed)
        accuracy.check(backend.name, mlp, batch, backend.predict(batch))


def test_answers_are_the_callers_own(backend: Backend) -> None:
    """The next call must not write into what an earlier one returned."""
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
def test_batch_of_the_wrong_form_is_refused(backend: Backend, batch: Float32Array) -> None:
    """Said by us, not computed on by a framework that reshapes."""
    with pytest.raises(ShapeError, match=backend.name):
        backend.predict(batch)


def test_wrong_type_is_refused_after_the_right_one_was_seen(backend: Backend) -> None:
    """ONNX Runtime's backend takes a shorter way for a size it knows."""
    backend.predict(_batch(2))
    backend.predict(_batch(2))
    with pytest.raises(ShapeError, match="float64"):
        backend.predict(_batch(2).astype(np.float64))


def test_many_batch_sizes_do_not_pile_up(mlp: Mlp, onnx: bytes) -> None:
    """A service is asked for every size there is."""
    with open_in_process("onnxruntime-cpu", mlp, onnx) as backend:
        for size in range(1, 200):
            accuracy.check(backend.name, mlp, _batch(size), backend.predict(_batch(size)))
        assert len(vars(backend)["_bound"]) <= 64


def test_facts_tell_threads_and_spinning_as_set(mlp: Mlp, onnx: bytes) -> None:
    """Results with other settings are other results."""
    with open_in_process("onnxruntime-cpu", mlp, onnx, Settings(threads=2, spinning=True)) as backend:
        assert (2, True) == (backend.facts["threads"], backend.facts["spinning"])


@pytest.mark.parametrize("spinning", [False, True])
def test_onnxruntime_runs_with_the_threads_and_spinning_asked_for(onnx: bytes, spinning: bool) -> None:
    """What the record says is what the session was opened with."""
    options = create_session(onnx, "onnxruntime-cpu", Settings(threads=3, spinning=spinning)).get_session_options()
    assert (3, 1) == (options.intra_op_num_threads, options.inter_op_num_threads)
    entries = [options.get_session_config_entry(f"session.{op}_op.allow_spinning") for op in ("intra", "inter")]
    assert [str(int(spinning))] * 2 == entries


def test_null_answers_evenly(mlp: Mlp) -> None:
    """A policy that sums to one, a value of one half: a client's checks of the reply hold."""
    answers = open_in_process("null", mlp).predict(_batch(3))
    assert np.allclose(answers, 0.25 if mlp.kind is Kind.POLICY else 0.5)


def test_cuda_without_a_gpu_names_the_cure(mlp: Mlp, onnx: bytes) -> None:
    """Never a number from the CPU under its name."""
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has a CUDA provider")
    with pytest.raises(BackendUnavailable, match=re.escape("runoff[gpu]")):
        open_in_process("onnxruntime-cuda", mlp, onnx)


def test_unknown_backend_lists_the_known(mlp: Mlp) -> None:
    """The cure for a typing error."""
    with pytest.raises(UsageError, match="numpy, onnxruntime-cpu"):
        open_in_process("onnx", mlp)


def test_bytes_that_are_no_onnx_are_refused(mlp: Mlp) -> None:
    """By name, without a C++ trace."""
    with pytest.raises(ModelError, match="cannot load the model"):
        open_in_process("onnxruntime-cpu", mlp, b"no onnx")


def test_bare_onnx_runs_on_onnxruntime_only(onnx: bytes) -> None:
    """The others need the weights."""
    with pytest.raises(BackendError, match="needs the model's weights"):
        open_in_process("numpy", None, onnx)


def test_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found out without importing anything."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(BackendUnavailable, match=re.escape("pip install 'runoff[torch]'")):
        require_packages("torch-cpu")


def test_every_engine_is_built_on_a_backend_there_is() -> None:
    """The tables of the registry hang together."""
    assert {name for devices in ENGINES.values() for name in devices.values()} <= set(IN_PROCESS)
    assert set(SERVICES.values()) <= set(ENGINES)
    assert {protocol_of(name) for name in (*SERVICES, *REMOTES)} == set(PROTOCOLS)
