"""Training of policy and value networks: both learn simple tasks, and symmetries change boards and targets alike."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from runoff.models.mlp import Float32Array, Float64Array, Kind, Mlp
from training.mlp_training import train
from training.rps_game import FEATURES, IndexArray

SAMPLES = 4_096


def single_cards(rng: np.random.Generator) -> tuple[Float32Array, IndexArray, IndexArray]:
    """Return boards with one card each, with the square and the kind of each card."""
    squares, kinds = rng.integers(9, size=SAMPLES), rng.integers(3, size=SAMPLES)
    boards = np.zeros((SAMPLES, 9, 9), dtype=np.float32)
    boards[np.arange(SAMPLES), squares, kinds] = 1
    return boards.reshape(SAMPLES, FEATURES), squares, kinds


def trained(kind: Kind, inputs: Float32Array, targets: Float64Array) -> tuple[list[float], Mlp]:
    """Train a small network; return the loss of each epoch and the network."""
    with threadpool_limits(1):
        epochs = list(train(kind, 32, inputs, targets, epochs=60, rng=np.random.default_rng(1)))
    return [loss for loss, _ in epochs], epochs[-1][1]


def test_policy_learns_to_point_at_the_only_card() -> None:
    """If a symmetry changed the board but not its target, the network could not learn the target."""
    inputs, squares, _ = single_cards(np.random.default_rng(0))
    losses, policy = trained(Kind.POLICY, inputs, np.eye(9)[squares])
    assert (policy.forward(inputs).argmax(axis=1) == squares).all()
    assert losses[-1] < 0.5


def test_value_learns_to_recognise_a_rock() -> None:
    """Value networks (sigmoid) are trained by the same code as policy networks (softmax)."""
    inputs, _, kinds = single_cards(np.random.default_rng(0))
    losses, value = trained(Kind.VALUE, inputs, (kinds == 0).astype(np.float64)[:, None])
    assert ((value.forward(inputs)[:, 0] > 0.5) == (kinds == 0)).all()
    assert losses[-1] < 0.1


@pytest.mark.parametrize(("kind", "outputs", "expected"), [(Kind.POLICY, 9, np.log(9)), (Kind.VALUE, 1, np.log(2))])
def test_loss_on_uniform_targets_is_that_of_guessing(kind: Kind, outputs: int, expected: float) -> None:
    """The loss is in nats per sample: ln 9 for nine equally likely squares, ln 2 for a fair coin."""
    inputs, _, _ = single_cards(np.random.default_rng(0))
    losses, _ = trained(kind, inputs, np.full((SAMPLES, outputs), 1 / max(outputs, 2)))
    assert expected == pytest.approx(losses[-1], abs=0.01)
