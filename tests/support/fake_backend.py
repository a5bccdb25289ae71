"""A backend for tests of what stands around backends: the reference's own answers, or wrong ones on demand."""

import numpy as np

from runoff.backends.base import Backend
from runoff.measurement.machine import Device
from runoff.models.mlp import Float32Array, Mlp


class FakeBackend(Backend):
    """
    Answers with the float64 reference, rounded to float32, plus an error that the test chooses.

    Attributes:
        calls: How often it was called.
        closed: Whether it was closed.
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
        answers: Float32Array = self._mlp.forward(batch).astype(np.float32)
        answers[-1, -1] += self._error
        return answers

    def close(self) -> None:
        self.closed = True
