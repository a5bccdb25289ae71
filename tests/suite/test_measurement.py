"""Nothing is timed before its answers were found right."""

import numpy as np
import pytest

from benchmarks.harness import benchmark_fixture
from fixtures.cases import Case
from fixtures.measurement import check_answers, time_rounds
from runoff.backends.fake_backend import FakeBackend
from runoff.conversion import OnnxModel
from runoff.errors import OtherModelError, ParityError
from runoff.mlp import Float32Array, Mlp
from runoff.records.schema import COMPUTES_NOTHING, OTHER_MODEL, VERIFIED
from tests.support.models import random_mlp

CASE = Case("torch-cpu", "net", 4)
REMOTE_CASE = Case("remote-grpc", "net", 4)


@pytest.fixture
def mlp() -> Mlp:
    """A small policy network."""
    return random_mlp()


@pytest.fixture
def model(mlp: Mlp) -> OnnxModel:
    """It, as if converted; its ONNX bytes are not looked at."""
    return OnnxModel(
        onnx=b"", input_size=mlp.input_size, output_size=mlp.output_size, mlp=mlp, digest=mlp.digest, accuracy=None
    )


@pytest.fixture
def batch(mlp: Mlp) -> Float32Array:
    """Four samples."""
    return np.random.default_rng(0).normal(size=(4, mlp.input_size)).astype(np.float32)


def test_right_answers_are_verified_with_their_error(mlp: Mlp, model: OnnxModel, batch: Float32Array) -> None:
    """The error stands beside the time."""
    answers = check_answers(CASE, model, FakeBackend(mlp), batch, allow_other=False)
    assert answers.label == VERIFIED
    assert answers.accuracy is not None
    assert answers.accuracy.worst_error < 1e-7


def test_wrong_answers_stop_the_case(mlp: Mlp, model: OnnxModel, batch: Float32Array) -> None:
    """Off by a thousandth in one number of twelve is wrong."""
    with pytest.raises(ParityError, match=r"sample 3, output 2 .* times what float32 allows"):
        check_answers(CASE, model, FakeBackend(mlp, error=1e-3), batch, allow_other=False)


def test_allowing_another_model_excuses_no_backend_of_ours(mlp: Mlp, model: OnnxModel, batch: Float32Array) -> None:
    """The option is about services of the user's."""
    with pytest.raises(ParityError):
        check_answers(CASE, model, FakeBackend(mlp, error=1e-3), batch, allow_other=True)


def test_remote_service_with_other_outputs_is_refused_with_the_cure(
    mlp: Mlp, model: OnnxModel, batch: Float32Array
) -> None:
    """The same sizes do not make it the same model."""
    with pytest.raises(OtherModelError, match="--allow-other-model"):
        check_answers(REMOTE_CASE, model, FakeBackend(mlp, error=0.1), batch, allow_other=False)


def test_remote_service_with_other_outputs_is_labelled_when_allowed(
    mlp: Mlp, model: OnnxModel, batch: Float32Array
) -> None:
    """It is timed and never mistaken."""
    answers = check_answers(REMOTE_CASE, model, FakeBackend(mlp, error=0.1), batch, allow_other=True)
    assert answers.label == OTHER_MODEL


@pytest.mark.parametrize("name", ["null-grpc", "null-oip"])
def test_null_service_is_never_called_verified(name: str, mlp: Mlp, model: OnnxModel, batch: Float32Array) -> None:
    """It computes nothing, whatever it answers."""
    case = Case(name, "net", 4)
    assert check_answers(case, model, FakeBackend(mlp), batch, allow_other=False).label == COMPUTES_NOTHING


def test_rounds_hold_the_calls_that_were_asked_for(mlp: Mlp, batch: Float32Array) -> None:
    """The direct loop stands in for pytest-benchmark's: as many rounds, as many calls in each, times per call."""
    backend = FakeBackend(mlp)
    fixture = benchmark_fixture()
    time_rounds(fixture, backend.predict, batch, rounds=5, iterations=20)
    assert fixture.stats is not None
    durations = fixture.stats.stats.data
    # One more call gives pytest-benchmark the result that it returns.
    assert (5, 5 * 20 + 1) == (len(durations), backend.calls)
    assert all(0 < duration < 1 for duration in durations)
