"""Tests that policy and value networks learn simple tasks while training randomly mirrors and rotates the boards."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from runoff.models.mlp import Float32Array, Float64Array, Kind, Mlp
from training.mlp_training import train
from training.rps_game import FEATURES, IndexArray

SAMPLES = 4_096


def single_cards(rng: np.random.Generator) -> tuple[Float32Array, IndexArray, IndexArray]:
    """Return three arrays: boards with one random card each, the cards' squares, and the cards' kinds."""
    squares, kinds = rng.integers(9, size=SAMPLES), rng.integers(3, size=SAMPLES)
    boards = np.zeros((SAMPLES, 9, 9), dtype=np.float32)
    boards[np.arange(SAMPLES), squares, kinds] = 1
    return boards.reshape(SAMPLES, FEATURES), squares, kinds


def trained(kind: Kind, inputs: Float32Array, targets: Float64Array) -> tuple[list[float], Mlp]:
    """Train a small network; return the loss after each epoch and the trained network."""
    with threadpool_limits(1):
        epochs = list(train(kind, 32, inputs, targets, epochs=60, rng=np.random.default_rng(1)))
    return [loss for loss, _ in epochs], epochs[-1][1]


def test_policy_learns_to_point_at_the_only_card() -> None:
    """Training mirrors and rotates boards. A policy can learn this task only if the target moves with the board."""
    inputs, squares, _ = single_cards(np.random.default_rng(0))
    losses, policy = trained(Kind.POLICY, inputs, np.eye(9)[squares])
    assert (policy.forward(inputs).argmax(axis=1) == squares).all()
    assert losses[-1] < 0.5


def test_value_learns_to_recognise_a_rock() -> None:
    """The same training code must also work for value networks, which end in a sigmoid instead of a softmax."""
    inputs, _, kinds = single_cards(np.random.default_rng(0))
    losses, value = trained(Kind.VALUE, inputs, (kinds == 0).astype(np.float64)[:, None])
    assert ((value.forward(inputs)[:, 0] > 0.5) == (kinds == 0)).all()
    assert losses[-1] < 0.1


@pytest.mark.parametrize(("kind", "outputs", "expected"), [(Kind.POLICY, 9, np.log(9)), (Kind.VALUE, 1, np.log(2))])
def test_loss_on_uniform_targets_is_that_of_guessing(kind: Kind, outputs: int, expected: float) -> None:
    """With uniform targets, the lowest possible loss is ln 9 nats for nine squares and ln 2 nats for win or loss."""
    inputs, _, _ = single_cards(np.random.default_rng(0))
    losses, _ = trained(kind, inputs, np.full((SAMPLES, outputs), 1 / max(outputs, 2)))
    assert expected == pytest.approx(losses[-1], abs=0.01)
