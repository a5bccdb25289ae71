"""Training of two-layer policy and value networks with the Adam optimiser, in float64 with NumPy."""

from collections.abc import Iterator

import numpy as np

from runoff.models.mlp import Float32Array, Float64Array, Kind, Mlp
from training.rps_game import FEATURES, FEATURES_PER_SQUARE, SQUARES, IndexArray

BATCH_SIZE = 512
# The optimiser is Adam with decoupled weight decay (Loshchilov and Hutter, Decoupled Weight Decay Regularization,
# 2019), with Adam's usual β₁ and β₂ and a learning rate that falls linearly to 0. Raising the weight decay from 0.02 to
# 0.2 increases the loss by less than 0.005 nats, but keeps logits within ±7 instead of ±10 (measured with 10,000 games
# and 64 hidden units). Small logits matter because float32 can represent the resulting probabilities accurately.
LEARNING_RATE, WEIGHT_DECAY = 2e-3, 0.2
MEAN_DECAY, SQUARE_DECAY, EPSILON = 0.9, 0.999, 1e-8


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
    Train one network.

    Each mini-batch is rotated and mirrored by a randomly chosen symmetry of the board.

    Args:
        kind: Policy or value network; the loss is the cross-entropy of its probabilities.
        hidden_size: Number of hidden units.
        inputs: Features, shape (count, 81).
        targets: Target probabilities, shape (count, 9) for a policy, (count, 1) for a value.
        epochs: Number of passes over all samples.
        rng: Source of the initial weights, the order of the samples and the symmetries.

    Yields:
        After each epoch: the mean cross-entropy per sample during the epoch, in nats, and the network.
    """
    weights = _initial_weights(hidden_size, targets.shape[1], rng)
    means, squares = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
    steps = epochs * -(-len(inputs) // BATCH_SIZE)
    step = 0
    for _ in range(epochs):
        loss = 0.0
        for rows in _batches(len(inputs), rng):
            batch_inputs, batch_targets = _transformed(inputs[rows], targets[rows], rng)
            batch_loss, gradients = _gradients(Mlp(kind, *weights), batch_inputs, batch_targets)
            loss += batch_loss
            rate = LEARNING_RATE * (1 - step / steps)
            step += 1
            for index, gradient in enumerate(gradients):
                means[index] += (1 - MEAN_DECAY) * (gradient - means[index])
                squares[index] += (1 - SQUARE_DECAY) * (gradient**2 - squares[index])
                mean = means[index] / (1 - MEAN_DECAY**step)
                square = squares[index] / (1 - SQUARE_DECAY**step)
                decay = WEIGHT_DECAY * weights[index] if weights[index].ndim == 2 else 0.0
                weights[index] = weights[index] - rate * (mean / (np.sqrt(square) + EPSILON) + decay)
        yield loss / len(inputs), Mlp(kind, *weights)


def _initial_weights(hidden_size: int, output_size: int, rng: np.random.Generator) -> list[Float64Array]:
    """
    Draw initial weights.

    W1 follows He et al. (2015) for ReLU; W2 is small, so that the untrained network's outputs are almost uniform.
    """
    return [
        rng.normal(0.0, np.sqrt(2 / FEATURES), (hidden_size, FEATURES)),
        np.zeros(hidden_size),
        rng.normal(0.0, np.sqrt(1 / hidden_size) / 4, (output_size, hidden_size)),
        np.zeros(output_size),
    ]


def _batches(count: int, rng: np.random.Generator) -> Iterator[IndexArray]:
    """Shuffle the indices 0 to count - 1, and yield them in arrays of at most BATCH_SIZE indices."""
    order = rng.permutation(count)
    for first in range(0, count, BATCH_SIZE):
        yield order[first : first + BATCH_SIZE]


def _gradients(mlp: Mlp, inputs: Float32Array, targets: Float64Array) -> tuple[float, list[Float64Array]]:
    """Return a batch's total cross-entropy, and the gradients of its mean cross-entropy for W1, b1, W2 and b2."""
    batch = inputs.astype(np.float64)
    hidden = np.maximum(batch @ mlp.weights_hidden.T + mlp.biases_hidden, 0.0)
    outputs = mlp.forward(batch)
    # For both softmax and sigmoid, the gradient of the cross-entropy with respect to a logit is output minus target.
    errors = (outputs - targets) / len(batch)
    hidden_errors = (errors @ mlp.weights_output) * (hidden > 0)
    return _cross_entropy(outputs, targets), [
        hidden_errors.T @ batch,
        hidden_errors.sum(axis=0),
        errors.T @ hidden,
        errors.sum(axis=0),
    ]


def _cross_entropy(outputs: Float64Array, targets: Float64Array) -> float:
    """Return the cross-entropy summed over the samples. A single output column is treated as a binary probability."""
    log = np.log(np.maximum(outputs, 1e-300))
    loss = -(targets * log).sum()
    if outputs.shape[1] == 1:
        loss -= ((1 - targets) * np.log(np.maximum(1 - outputs, 1e-300))).sum()
    return float(loss)


def _symmetries() -> IndexArray:
    """Return the 8 rotations and reflections of the board, each as a permutation of the 9 squares, shape (8, 9)."""
    board = np.arange(SQUARES).reshape(3, 3)
    return np.array([np.rot90(side, turns).ravel() for side in (board, board.T) for turns in range(4)])


_SYMMETRIES = _symmetries()


def _transformed(
    inputs: Float32Array, targets: Float64Array, rng: np.random.Generator
) -> tuple[Float32Array, Float64Array]:
    """Rotate or mirror all boards of a batch in the same random way. A policy's targets move with the boards."""
    squares = _SYMMETRIES[rng.integers(len(_SYMMETRIES))]
    transformed = inputs.reshape(-1, SQUARES, FEATURES_PER_SQUARE)[:, squares].reshape(len(inputs), FEATURES)
    return transformed, targets[:, squares] if targets.shape[1] == SQUARES else targets
