"""The one judge of answers: right ones pass, wrong ones are named."""

import numpy as np
import pytest

from runoff.errors import ParityError, ShapeError
from runoff.models import accuracy
from runoff.models.mlp import Float32Array
from tests.support.models import random_mlp

MLP = random_mlp()
BATCH: Float32Array = np.random.default_rng(4).normal(size=(6, 5)).astype(np.float32)


def right_answers() -> Float32Array:
    return MLP.forward(BATCH).astype(np.float32)


def test_right_answers_pass() -> None:
    """The reference rounded to float32 is as right as float32 can be."""
    assert accuracy.check("it", MLP, BATCH, right_answers()).fraction_of_allowed < 1


def test_wrong_answer_is_named_with_its_place() -> None:
    """Which sample, which output, how far off."""
    answers = right_answers()
    answers[4, 2] += 0.01
    with pytest.raises(ParityError, match=r"it: sample 4, output 2 is .* the float64 reference says"):
        accuracy.check("it", MLP, BATCH, answers)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_answer_that_is_not_finite_is_wrong(number: float) -> None:
    """No comparison with NaN is true: `error > allowed` would let it pass."""
    answers = right_answers()
    answers[1, 1] = number
    with pytest.raises(ParityError, match="sample 1, output 1"):
        accuracy.check("it", MLP, BATCH, answers)


@pytest.mark.parametrize("shape", [(6,), (5, 3), (6, 4), (6, 3, 1)])
def test_answers_of_another_shape_are_wrong(shape: tuple[int, ...]) -> None:
    """Broadcasting would compare them somehow."""
    with pytest.raises(ShapeError, match="expected \\(6, 3\\)"):
        accuracy.check("it", MLP, BATCH, np.zeros(shape, np.float32))


def test_worst_element_is_that_of_the_largest_quotient() -> None:
    """A large error where much is allowed is less telling than a small one where little is."""
    found = np.array([[1.5, 0.2]], np.float32)
    measured = accuracy.measure(found, np.array([[1.0, 0.1]]), np.array([[1.0, 0.01]]))
    assert (0, 1) == (measured.sample, measured.output)
    assert 0.5 == measured.worst_error
    assert 10 == pytest.approx(measured.fraction_of_allowed, rel=1e-5)


@pytest.mark.parametrize(("allowed", "ill"), [(1e-4, False), (1e-2, True)])
def test_ill_conditioned_is_what_float32_moves_visibly(allowed: float, ill: bool) -> None:
    """The user of such a model is told."""
    measured = accuracy.measure(np.zeros((1, 1), np.float32), np.zeros((1, 1)), np.full((1, 1), allowed))
    assert ill == measured.ill_conditioned
