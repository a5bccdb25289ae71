"""
A neural network with two layers. Its forward pass in float64 is the reference for the outputs of every backend.

    hidden = relu(W1 · x + b1)
    policy = softmax(W2 · hidden + b2)
    value  = sigmoid(W2 · hidden + b2)
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from runoff.errors import ModelError, ShapeError

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

FLOAT32_EPS = 2.0**-23
# For 294 real models in four runtimes, the errors of float32 logits were at most 3.5 eps times the sum of magnitudes
# (see `logit_tolerance`). A factor of 8 leaves room for other summation orders and still detects a wrong weight.
FLOAT32_LOGIT_FACTOR = 8.0
# The head's outputs are at most 1, so the errors of its exp, sum and division in float32 add up to a few eps.
FLOAT32_HEAD_FACTOR = 8.0


class Kind(StrEnum):
    """Kind of network: a policy network outputs one probability per move, a value network one win probability."""

    POLICY = "policy"
    VALUE = "value"


@dataclass(frozen=True, eq=False)
class Mlp:
    """
    A trained two-layer network with its head.

    Its methods take a batch of inputs, shape (batch_size, input_size), compute in float64 and return an array of shape
    (batch_size, output_size). They raise ShapeError for a batch of a different shape.

    Attributes:
        kind: Policy (softmax head) or value (sigmoid head).
        weights_hidden: W1, shape (hidden_size, input_size), float64; rows are hidden units.
        biases_hidden: b1, shape (hidden_size,), float64.
        weights_output: W2, shape (output_size, hidden_size), float64; rows are outputs.
        biases_output: b2, shape (output_size,), float64.

    Raises:
        ModelError: If the shapes do not fit together, or if a number is not finite after rounding to float32.
    """

    kind: Kind
    weights_hidden: Float64Array
    biases_hidden: Float64Array
    weights_output: Float64Array
    biases_output: Float64Array

    def __post_init__(self) -> None:
        if np.ndim(self.weights_hidden) != 2 or np.ndim(self.biases_output) != 1:
            found = np.shape(self.weights_hidden), np.shape(self.biases_output)
            raise ModelError(f"weights_hidden and biases_output have shapes {found}, expected a matrix and a vector")
        hidden_size, input_size = self.weights_hidden.shape
        output_size = len(self.biases_output)
        expected_shapes = {
            "weights_hidden": (hidden_size, input_size),
            "biases_hidden": (hidden_size,),
            "weights_output": (output_size, hidden_size),
            "biases_output": (output_size,),
        }
        for name, shape in expected_shapes.items():
            array = np.array(getattr(self, name), dtype=np.float64, order="C")
            if array.shape != shape or 0 in shape:
                raise ModelError(f"{name} has shape {array.shape}, expected {shape} with sizes of at least 1")
            with np.errstate(over="ignore"):
                if not np.isfinite(array.astype(np.float32)).all():
                    raise ModelError(f"{name} contains a number that is not finite as float32, expected up to 3.4e38")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if self.kind is Kind.VALUE and output_size != 1:
            raise ModelError(f"a value network has {output_size} outputs, expected 1")

    @property
    def input_size(self) -> int:
        """Number of input values of one sample."""
        return int(self.weights_hidden.shape[1])

    @property
    def hidden_size(self) -> int:
        """Number of hidden units."""
        return int(self.weights_hidden.shape[0])

    @property
    def output_size(self) -> int:
        """Number of outputs of one sample, which is 1 for a value network."""
        return int(self.weights_output.shape[0])

    @property
    def sizes(self) -> tuple[int, int, int]:
        """(input_size, hidden_size, output_size)."""
        return self.input_size, self.hidden_size, self.output_size

    @property
    def description(self) -> str:
        """The network's kind and sizes for messages, such as `policy 81→64→9`."""
        return f"{self.kind} {'→'.join(map(str, self.sizes))}"

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of the network's kind, sizes and weights (float64, little-endian)."""
        sha = hashlib.sha256(f"{self.kind}:{','.join(map(str, self.sizes))}:".encode())
        for array in (self.weights_hidden, self.biases_hidden, self.weights_output, self.biases_output):
            sha.update(array.astype("<f8").tobytes())
        return sha.hexdigest()

    def logits(self, batch: npt.ArrayLike) -> Float64Array:
        """Compute the logits, which the network's head turns into probabilities."""
        inputs = self._checked_inputs(batch)
        hidden = np.maximum(inputs @ self.weights_hidden.T + self.biases_hidden, 0.0)
        return np.asarray(hidden @ self.weights_output.T + self.biases_output, dtype=np.float64)

    def forward(self, batch: npt.ArrayLike) -> Float64Array:
        """Run one forward pass, including the head. Its results are the reference for the outputs of every backend."""
        return apply_head(self.kind, self.logits(batch))

    def logit_tolerance(self, batch: npt.ArrayLike) -> Float64Array:
        """
        Return an upper bound on the absolute error of each logit in a float32 forward pass.

        The error of a float32 sum is a few eps times the sum of its terms' magnitudes (Higham, Accuracy and Stability
        of Numerical Algorithms, ch. 3), here |W2|·(|W1|·|x| + |b1|) + |b2|.
        """
        hidden = np.abs(self._checked_inputs(batch)) @ np.abs(self.weights_hidden.T) + np.abs(self.biases_hidden)
        condition = hidden @ np.abs(self.weights_output.T) + np.abs(self.biases_output)
        return np.asarray(FLOAT32_LOGIT_FACTOR * FLOAT32_EPS * condition, dtype=np.float64)

    def output_tolerance(self, batch: npt.ArrayLike) -> Float64Array:
        """
        Return an upper bound on the absolute error of each output in a float32 forward pass.

        Each logit may be wrong by its own tolerance. A probability changes most if its own logit moves up and all
        others move down, or the other way round. So where one logit is far above the rest, the bound is tiny, however
        large the logits are. The bound never exceeds 1 plus the rounding error of the head, 1e-6.
        """
        logits, tolerance = self.logits(batch), self.logit_tolerance(batch)
        outputs = apply_head(self.kind, logits)
        lowest, highest = (_shifted_outputs(self.kind, logits, sign * tolerance) for sign in (-1.0, 1.0))
        largest_change = np.maximum(highest - outputs, outputs - lowest)
        return np.asarray(largest_change + FLOAT32_HEAD_FACTOR * FLOAT32_EPS)

    def _checked_inputs(self, batch: npt.ArrayLike) -> Float64Array:
        inputs = np.asarray(batch, dtype=np.float64)
        if inputs.ndim != 2 or inputs.shape[1] != self.input_size:
            raise ShapeError(f"batch has shape {inputs.shape}, expected (batch_size, {self.input_size})")
        return inputs


def apply_head(kind: Kind, logits: Float64Array) -> Float64Array:
    """
    Return a network's outputs: the softmax of each row of logits (policy) or the sigmoid of each logit (value).

    Logits and outputs have shape (batch_size, output_size). Large logits cause no overflow.
    """
    if kind is Kind.POLICY:
        exps = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(exps / exps.sum(axis=1, keepdims=True), dtype=np.float64)
    # exp of a positive logit could overflow, so use only exp(-|logit|).
    exps = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1.0, exps) / (1.0 + exps)


def _shifted_outputs(kind: Kind, logits: Float64Array, shift: Float64Array) -> Float64Array:
    """Return each output after adding `shift` to its logit and (in a policy) subtracting it from all other logits."""
    if kind is Kind.VALUE:
        return apply_head(kind, logits + shift)
    own, others = logits + shift, logits - shift
    outputs = np.empty_like(logits)
    for column in range(logits.shape[1]):
        rest = np.logaddexp.reduce(np.delete(others, column, axis=1), axis=1)
        outputs[:, column] = np.exp(own[:, column] - np.logaddexp(own[:, column], rest))
    return outputs
