"""A backend for tests that needs no framework. It returns correct outputs, or wrong outputs if a test requests them."""

import numpy as np

from runoff.backends.base import Backend
from runoff.measurement.machine import Device
from runoff.models.mlp import Float32Array, Mlp


class FakeBackend(Backend):
    """
    Returns the outputs of the float64 reference as float32. A test can make the last output wrong by some amount.

    Attributes:
        calls: Number of calls of `predict`.
        closed: Whether `close` was called.
    """

    def __init__(self, mlp: Mlp, *, error: float = 0.0, name: str = "fake") -> None:
        super().__init__(name, mlp.input_size, mlp.output_size, Device("cpu", "fake processor"))
        self.calls = 0
        self.closed = False
        self._mlp = mlp
        self._error = np.float32(error)

    def predict(self, batch: Float32Array) -> Float32Array:
        self.check_batch(batch)
        self.calls += 1
        outputs: Float32Array = self._mlp.forward(batch).astype(np.float32)
        outputs[-1, -1] += self._error
        return outputs

    def close(self) -> None:
        self.closed = True
