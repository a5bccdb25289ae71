"""A backend that computes a model with plain NumPy code. Every inference framework should be faster than this code."""

import numpy as np
import threadpoolctl

from runoff.backends.base import Backend, Settings
from runoff.measurement.machine import Device, processor_name
from runoff.models.mlp import Float32Array, Kind, Mlp


class NumpyBackend(Backend):
    """Computes the forward pass with two matrix products and a softmax or sigmoid, on the CPU."""

    def __init__(self, name: str, mlp: Mlp, settings: Settings) -> None:
        super().__init__(name, mlp.input_size, mlp.output_size, Device("cpu", processor_name()))
        # A BLAS library has one thread pool per process, so this limit applies to all BLAS calls in the process.
        threadpoolctl.threadpool_limits(settings.threads, user_api="blas")
        pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
        self.facts |= {"framework": "numpy", "framework_version": np.__version__, "threads": settings.threads}
        if pools:
            self.facts["blas"] = f"{pools[0]['internal_api']} {pools[0]['version']}"
        self._is_policy = mlp.kind is Kind.POLICY
        self._weights_hidden = np.ascontiguousarray(mlp.weights_hidden.T, dtype=np.float32)
        self._biases_hidden = np.asarray(mlp.biases_hidden, dtype=np.float32)
        self._weights_output = np.ascontiguousarray(mlp.weights_output.T, dtype=np.float32)
        self._biases_output = np.asarray(mlp.biases_output, dtype=np.float32)

    def predict(self, batch: Float32Array) -> Float32Array:
        self.check_batch(batch)
        hidden: Float32Array = batch @ self._weights_hidden
        hidden += self._biases_hidden
        np.maximum(hidden, 0.0, out=hidden)
        logits: Float32Array = hidden @ self._weights_output
        logits += self._biases_output
        if self._is_policy:
            logits -= logits.max(axis=1, keepdims=True)
            np.exp(logits, out=logits)
            logits /= logits.sum(axis=1, keepdims=True)
            return logits
        # Compute sigmoid(x) as (1 + tanh(x / 2)) / 2, because exp(-x) would overflow for large negative x.
        logits *= 0.5
        np.tanh(logits, out=logits)
        logits += 1.0
        logits *= 0.5
        return logits


def open_backend(name: str, mlp: Mlp, onnx: bytes | None, settings: Settings) -> Backend:  # noqa: ARG001
    """Open a model in NumPy. See `registry.open_in_process`."""
    return NumpyBackend(name, mlp, settings)
