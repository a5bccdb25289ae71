"""Outputs that differ from the reference only by float32 rounding pass the accuracy check. All others are reported."""

import numpy as np
import pytest

from runoff.errors import ParityError, ShapeError
from runoff.models import accuracy
from runoff.models.mlp import Float32Array
from tests.support.models import random_mlp

MLP = random_mlp()
BATCH: Float32Array = np.random.default_rng(4).normal(size=(6, 5)).astype(np.float32)


def right_outputs() -> Float32Array:
    return MLP.forward(BATCH).astype(np.float32)


def test_right_outputs_pass() -> None:
    """The reference rounded to float32 is the best that a float32 backend can return, so it must pass the check."""
    assert accuracy.check("backend", MLP, BATCH, right_outputs()).fraction_of_allowed < 1


def test_message_gives_sample_and_output_of_a_wrong_number() -> None:
    """The position of a wrong output helps the developer to distinguish a wrong weight from swapped rows or columns."""
    outputs = right_outputs()
    outputs[4, 2] += 0.01
    with pytest.raises(ParityError, match=r"backend \(policy 5→7→3\): sample 4, output 2 is .*, expected "):
        accuracy.check("backend", MLP, BATCH, outputs)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_output_that_is_not_finite_is_wrong(number: float) -> None:
    """Every comparison with NaN is false, so a check that tested only `error > allowed` would accept NaN."""
    outputs = right_outputs()
    outputs[1, 1] = number
    with pytest.raises(ParityError, match="sample 1, output 1"):
        accuracy.check("backend", MLP, BATCH, outputs)


@pytest.mark.parametrize("shape", [(6,), (5, 3), (6, 4), (6, 3, 1)])
def test_outputs_of_another_shape_are_rejected(shape: tuple[int, ...]) -> None:
    """NumPy would broadcast outputs of the wrong shape and compare unrelated numbers, so the shape is checked."""
    with pytest.raises(ShapeError, match="expected \\(6, 3\\)"):
        accuracy.check("backend", MLP, BATCH, np.zeros(shape, np.float32))


def test_worst_element_has_the_largest_error_relative_to_its_tolerance() -> None:
    """The worst output is the one with the largest ratio of error to tolerance, not the one with the largest error."""
    outputs = np.array([[1.5, 0.2]], np.float32)
    measured = accuracy.compare("backend", outputs, np.array([[1.0, 0.1]]), np.array([[5.0, 0.2]]))
    assert (0, 1) == (measured.sample, measured.output)
    assert 0.5 == measured.worst_error
    assert 0.5 == pytest.approx(measured.fraction_of_allowed, rel=1e-5)


@pytest.mark.parametrize(("allowed", "ill"), [(1e-4, False), (1e-2, True)])
def test_model_is_ill_conditioned_if_float32_changes_it_visibly(allowed: float, ill: bool) -> None:
    """Users are warned about ill-conditioned models, so an ordinary model must not be classified as ill-conditioned."""
    measured = accuracy.compare("backend", np.zeros((1, 1), np.float32), np.zeros((1, 1)), np.full((1, 1), allowed))
    assert ill == measured.ill_conditioned
