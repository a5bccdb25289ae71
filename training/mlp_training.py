"""Training of the two-layer networks by gradient descent: plain NumPy in float64, Adam, both heads alike."""

from collections.abc import Iterator

import numpy as np

from runoff.models.mlp import Float32Array, Float64Array, Kind, Mlp
from training.rps_game import FEATURES, FEATURES_PER_SQUARE, SQUARES, IndexArray

BATCH_SIZE = 512
# Adam with decoupled weight decay (Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019), the usual
# moments, and a step that falls linearly to 0. A decay of 0.2 costs less than 0.005 nats against 0.02 and keeps
# logits within 7 instead of 10 (10,000 games, 64 hidden units): healthy models, which float32 can represent.
STEP, WEIGHT_DECAY = 2e-3, 0.2
MEAN_DECAY, SQUARE_DECAY, TINY = 0.9, 0.999, 1e-8


def train(
    kind: Kind,
    hidden_size: int,
    inputs: Float32Array,
    targets: Float64Array,
    *,
    epochs: int,
    rng: np.random.Generator,
) -> Iterator[tuple[float, Mlp]]:
    """
    Train one network; every mini-batch is seen in one of the game's 8 board symmetries, drawn at random.

    Args:
        kind: Which head; the loss is the cross-entropy of its probabilities.
        hidden_size: Number of hidden units.
        inputs: Features, shape (count, 81).
        targets: Wanted probabilities, shape (count, 9) for a policy, (count, 1) for a value.
        epochs: How often every sample is seen.
        rng: Where first weights, order and symmetries come from.

    Yields:
        After each epoch the mean cross-entropy per sample (nats) during it, and the network.
    """
    weights = _first_weights(hidden_size, targets.shape[1], rng)
    means, squares = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
    steps = epochs * -(-len(inputs) // BATCH_SIZE)
    step = 0
    for _ in range(epochs):
        loss = 0.0
        for rows in _batches(len(inputs), rng):
            seen, wanted = _turned(inputs[rows], targets[rows], rng)
            batch_loss, gradients = _gradients(Mlp(kind, *weights), seen, wanted)
            loss += batch_loss
            rate = STEP * (1 - step / steps)
            step += 1
            for index, gradient in enumerate(gradients):
                means[index] += (1 - MEAN_DECAY) * (gradient - means[index])
                squares[index] += (1 - SQUARE_DECAY) * (gradient**2 - squares[index])
                mean = means[index] / (1 - MEAN_DECAY**step)
                square = squares[index] / (1 - SQUARE_DECAY**step)
                decay = WEIGHT_DECAY * weights[index] if weights[index].ndim == 2 else 0.0
                weights[index] = weights[index] - rate * (mean / (np.sqrt(square) + TINY) + decay)
        yield loss / len(inputs), Mlp(kind, *weights)


def _first_weights(hidden_size: int, output_size: int, rng: np.random.Generator) -> list[Float64Array]:
    """Draw W1 as He et al. (2015) for a relu, W2 smaller so that first answers are near uniform; biases are 0."""
    return [
        rng.normal(0.0, np.sqrt(2 / FEATURES), (hidden_size, FEATURES)),
        np.zeros(hidden_size),
        rng.normal(0.0, np.sqrt(1 / hidden_size) / 4, (output_size, hidden_size)),
        np.zeros(output_size),
    ]


def _batches(count: int, rng: np.random.Generator) -> Iterator[IndexArray]:
    """Yield every index once, in random order, BATCH_SIZE at a time."""
    order = rng.permutation(count)
    for first in range(0, count, BATCH_SIZE):
        yield order[first : first + BATCH_SIZE]


def _gradients(mlp: Mlp, inputs: Float32Array, targets: Float64Array) -> tuple[float, list[Float64Array]]:
    """Return the summed cross-entropy of a batch and the gradients of its mean by W1, b1, W2 and b2."""
    batch = inputs.astype(np.float64)
    hidden = np.maximum(batch @ mlp.weights_hidden.T + mlp.biases_hidden, 0.0)
    outputs = mlp.forward(batch)
    # Cross-entropy behind a softmax or a sigmoid: in both, the logits' gradient is the error of the probability.
    errors = (outputs - targets) / len(batch)
    hidden_errors = (errors @ mlp.weights_output) * (hidden > 0)
    return _cross_entropy(outputs, targets), [
        hidden_errors.T @ batch,
        hidden_errors.sum(axis=0),
        errors.T @ hidden,
        errors.sum(axis=0),
    ]


def _cross_entropy(outputs: Float64Array, targets: Float64Array) -> float:
    """Return the summed cross-entropy of probabilities; a single column is that of two outcomes."""
    log = np.log(np.maximum(outputs, 1e-300))
    loss = -(targets * log).sum()
    if outputs.shape[1] == 1:
        loss -= ((1 - targets) * np.log(np.maximum(1 - outputs, 1e-300))).sum()
    return float(loss)


def _symmetries() -> IndexArray:
    """Return the 8 ways to turn and mirror the board as permutations of its squares, shape (8, 9)."""
    board = np.arange(SQUARES).reshape(3, 3)
    return np.array([np.rot90(side, turns).ravel() for side in (board, board.T) for turns in range(4)])


_SYMMETRIES = _symmetries()


def _turned(inputs: Float32Array, targets: Float64Array, rng: np.random.Generator) -> tuple[Float32Array, Float64Array]:
    """Return a batch in one of the board's symmetries; a value's target stays as it is."""
    squares = _SYMMETRIES[rng.integers(len(_SYMMETRIES))]
    turned = inputs.reshape(-1, SQUARES, FEATURES_PER_SQUARE)[:, squares].reshape(len(inputs), FEATURES)
    return turned, targets[:, squares] if targets.shape[1] == SQUARES else targets
