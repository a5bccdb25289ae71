"""A backend that computes nothing. In a service, its timings show the overhead of messages and transport."""

import numpy as np

from runoff.backends.base import Backend, Settings
from runoff.measurement.machine import Device, processor_name
from runoff.models.mlp import Float32Array, Kind, Mlp


class NullBackend(Backend):
    """Returns constant outputs: equal probabilities for a policy, or 0.5 for a value network."""

    def __init__(self, name: str, mlp: Mlp) -> None:
        super().__init__(name, mlp.input_size, mlp.output_size, Device("cpu", processor_name()))
        self.facts |= {"framework": "null", "framework_version": "", "threads": 1}
        self._output = np.float32(1.0 / mlp.output_size if mlp.kind is Kind.POLICY else 0.5)

    def predict(self, batch: Float32Array) -> Float32Array:
        self.check_batch(batch)
        return np.full((len(batch), self.output_size), self._output, dtype=np.float32)


def open_backend(name: str, mlp: Mlp, onnx: bytes | None, settings: Settings) -> Backend:  # noqa: ARG001
    """Open a null backend with the input and output sizes of `mlp`. See `registry.open_in_process`."""
    return NullBackend(name, mlp)
