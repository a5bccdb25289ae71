"""Computes nothing: behind a service it shows what the messages and the transport cost alone."""

import numpy as np

from runoff.backends.base import Backend, Settings
from runoff.measurement.machine import Device, processor_name
from runoff.models.mlp import Float32Array, Kind, Mlp


class NullBackend(Backend):
    """Answers every sample alike: an even policy, or a value of one half."""

    def __init__(self, name: str, mlp: Mlp) -> None:
        super().__init__(name, mlp.input_size, mlp.output_size, Device("cpu", processor_name()))
        self.facts |= {"framework": "null", "framework_version": "", "threads": 1}
        self._answer = np.float32(1.0 / mlp.output_size if mlp.kind is Kind.POLICY else 0.5)

    def predict(self, batch: Float32Array) -> Float32Array:
        self.check_batch(batch)
        return np.full((len(batch), self.output_size), self._answer, dtype=np.float32)


def open_backend(name: str, mlp: Mlp, onnx: bytes | None, settings: Settings) -> Backend:  # noqa: ARG001
    """Open a model that is not computed; see `registry.open_in_process`."""
    return NullBackend(name, mlp)
