"""A backend that runs a model in ONNX Runtime in this process, and returns each call's outputs in a new array."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np

from runoff.backends.base import Backend, Settings
from runoff.errors import BackendUnavailable, ModelError, ShapeError
from runoff.measurement.machine import Device, processor_name
from runoff.models.mlp import Float32Array, Mlp

if TYPE_CHECKING:  # importing this module must not import ONNX Runtime
    from onnxruntime import InferenceSession

_FLOAT32 = np.dtype(np.float32)
# `predict` copies a small batch into memory bound to the session. This takes about 1 µs less than the session's `run`.
# Above 32 KiB, copying costs more than it saves, so `predict` calls `run`. Measured for 81→64→9, with bound memory and
# with `run`: 4.7 and 5.7 µs for 1 sample, 14.4 and 14.7 µs for 64 samples, 177 and 169 µs for 1024 samples.
_LARGEST_BOUND_BATCH = 8_192  # numbers
# Each batch size needs its own bound memory, so bind at most this many sizes. `predict` calls `run` for the others.
_MOST_BINDINGS = 64


class OnnxRuntimeBackend(Backend):
    """
    An ONNX Runtime session.

    `InferenceSession.run` spends 1 to 6 µs in Python wrappers, so `predict` calls the C++ session inside it directly.
    """

    def __init__(self, name: str, session: InferenceSession, settings: Settings, device: Device) -> None:
        import onnxruntime

        model_input, model_output = session.get_inputs()[0], session.get_outputs()[0]
        super().__init__(name, model_input.shape[1], model_output.shape[1], device)
        self.facts |= {
            "framework": "onnxruntime",
            "framework_version": onnxruntime.__version__,
            "threads": settings.threads,
            "spinning": settings.spinning,
            "provider": session.get_providers()[0],
        }
        self._session = session
        self._inner = session._sess
        self._input, self._outputs = model_input.name, [model_output.name]
        self._may_bind = device.type == "cpu"
        self._bound: dict[tuple[int, ...], tuple[Float32Array, Float32Array, Any, Any]] = {}

    def predict(self, batch: Float32Array) -> Float32Array:
        bound = self._bound.get(batch.shape)
        if bound is None or batch.dtype is not _FLOAT32:
            return self._predict_unbound(batch)
        inputs, outputs, binding, _ = bound
        inputs[...] = batch
        self._inner.run_with_iobinding(binding, None)
        return outputs.copy()

    def _predict_unbound(self, batch: Float32Array) -> Float32Array:
        self.check_batch(batch)
        if self._may_bind and batch.size <= _LARGEST_BOUND_BATCH and len(self._bound) < _MOST_BINDINGS:
            self._bind(len(batch))
        outputs: Float32Array = self._inner.run(self._outputs, {self._input: batch}, None)[0]
        if outputs.shape != (len(batch), self.output_size):
            raise ShapeError(
                f"{self.name}: outputs have shape {outputs.shape}, expected {(len(batch), self.output_size)}"
            )
        return outputs

    def _bind(self, batch_size: int) -> None:
        """Allocate an input and an output array for one batch size, and bind them to the session's input and output."""
        inputs = np.empty((batch_size, self.input_size), dtype=np.float32)
        outputs = np.empty((batch_size, self.output_size), dtype=np.float32)
        binding = self._session.io_binding()
        binding.bind_input(self._input, "cpu", 0, np.float32, inputs.shape, inputs.ctypes.data)
        binding.bind_output(self._outputs[0], "cpu", 0, np.float32, outputs.shape, outputs.ctypes.data)
        # The Python binding object owns the memory that the C++ binding object uses, so keep both.
        self._bound[inputs.shape] = inputs, outputs, binding._iobinding, binding

    def close(self) -> None:
        self._bound.clear()
        self._inner = self._session = None


def create_session(onnx: bytes, name: str, settings: Settings) -> InferenceSession:
    """
    Create an ONNX Runtime session that runs the whole model on the device in the backend's name.

    Raises:
        BackendUnavailable: If this ONNX Runtime has no CUDA provider or finds no GPU.
        ModelError: If ONNX Runtime cannot load the model.
    """
    import onnxruntime

    # Log only errors (severity 3). Users do not need ONNX Runtime's warnings about the machine, such as a missing GPU.
    onnxruntime.set_default_logger_severity(3)
    provider = "CUDAExecutionProvider" if name.endswith("-cuda") else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise BackendUnavailable(
            f"{name}: this ONNX Runtime has no CUDA provider; on a machine with an NVIDIA GPU"
            " install it with: pip uninstall onnxruntime && pip install 'runoff[gpu]'"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    spinning = "1" if settings.spinning else "0"
    options.add_session_config_entry("session.intra_op.allow_spinning", spinning)
    options.add_session_config_entry("session.inter_op.allow_spinning", spinning)
    # With this entry, ONNX Runtime records the execution provider of each node, which `check_placement` reads.
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if name.endswith("-cuda"):
        # Without this entry, ONNX Runtime only warns and uses the CPU if CUDA cannot run a node or the GPU is missing.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        session = onnxruntime.InferenceSession(onnx, options, providers=[provider])
    except Exception as error:  # Exception is the only base class that all of ONNX Runtime's errors share
        reason = str(error).splitlines()[0][:200]
        if name.endswith("-cuda"):
            raise BackendUnavailable(f"{name}: no GPU could be used: {reason}") from error
        raise ModelError(f"{name}: ONNX Runtime cannot load the model: {reason}") from error
    check_placement(name, session, provider)
    return session


def check_placement(name: str, session: InferenceSession, provider: str) -> None:
    """Raise BackendUnavailable if any node of the model runs on an execution provider other than `provider`."""
    found = set(session.get_providers()[:1])
    # Outputs are always in CPU memory and do not show which device computed them, so check the provider of each node.
    # Older versions of ONNX Runtime do not report providers; there, only `disable_cpu_ep_fallback` excludes the CPU.
    if hasattr(session, "get_provider_graph_assignment_info"):
        found |= {part.ep_name for part in session.get_provider_graph_assignment_info()}
    strays = sorted(found - {provider})
    if strays:
        raise BackendUnavailable(f"{name}: ONNX Runtime put nodes of the model on {strays[0]}; is there a GPU?")


def open_backend(name: str, mlp: Mlp | None, onnx: bytes | None, settings: Settings) -> Backend:  # noqa: ARG001
    """Open a model in ONNX Runtime. See `registry.open_in_process`."""
    if onnx is None:
        raise ModelError(f"{name}: needs the model as ONNX; convert it with runoff.conversion")
    session = create_session(onnx, name, settings)
    device = Device("gpu", _gpu_name()) if name.endswith("-cuda") else Device("cpu", processor_name())
    return OnnxRuntimeBackend(name, session, settings, device)


def _gpu_name() -> str:
    """Return the product name of the first visible NVIDIA GPU, or an empty string if nvidia-smi is not installed."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    index = os.environ.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0] or "0"
    command = [tool, "--query-gpu=name", "--format=csv,noheader", f"--id={index}"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    return found.stdout.strip()
