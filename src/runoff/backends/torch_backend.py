"""A backend that runs a model in PyTorch in this process, in inference mode."""

import torch

from runoff.backends.base import Backend, Settings
from runoff.conversion.module import MlpModule
from runoff.errors import BackendUnavailable
from runoff.measurement.machine import Device, processor_name
from runoff.models.mlp import Float32Array, Mlp


class TorchBackend(Backend):
    """A PyTorch module on one device."""

    def __init__(self, name: str, mlp: Mlp, device: torch.device, settings: Settings) -> None:
        # PyTorch has one thread pool per process, so this setting also affects all other PyTorch backends.
        torch.set_num_threads(settings.threads)
        # TensorFloat-32 keeps only 10 of float32's 23 fraction bits, so the outputs could fail the accuracy check.
        torch.backends.cuda.matmul.allow_tf32 = False
        module = MlpModule(mlp.kind, mlp.sizes)
        with torch.no_grad():
            module.hidden.weight.copy_(torch.from_numpy(mlp.weights_hidden.copy()))
            module.hidden.bias.copy_(torch.from_numpy(mlp.biases_hidden.copy()))
            module.output.weight.copy_(torch.from_numpy(mlp.weights_output.copy()))
            module.output.bias.copy_(torch.from_numpy(mlp.biases_output.copy()))
        self._module = module.eval().requires_grad_(False).to(device)
        self._device = device
        # Call `forward` directly. Calling the module would first look for hooks, which takes 1.5 µs per call.
        self._forward = self._module.forward
        super().__init__(name, mlp.input_size, mlp.output_size, self._detect_device(name))
        self.facts |= {
            "framework": "torch",
            "framework_version": torch.__version__,
            "threads": torch.get_num_threads(),
            "spinning": False,
        }

    def predict(self, batch: Float32Array) -> Float32Array:
        self.check_batch(batch)
        # Copy a read-only array, because PyTorch warns about tensors that share memory with a read-only array.
        inputs = torch.from_numpy(batch if batch.flags.writeable else batch.copy())
        with torch.inference_mode():
            if self._device.type != "cpu":
                inputs = inputs.to(self._device)
            outputs: Float32Array = self._forward(inputs).cpu().numpy()
        return outputs

    def _detect_device(self, name: str) -> Device:
        """Return the device of a trial output. Raise BackendUnavailable if the backend's name states another device."""
        with torch.inference_mode():
            output = self._forward(torch.zeros((1, self._module.hidden.in_features), device=self._device))
        if (output.device.type != "cpu") != name.endswith("-cuda"):
            raise BackendUnavailable(f"{name}: PyTorch put the model on {output.device}")
        if output.device.type == "cpu":
            return Device("cpu", processor_name())
        return Device("gpu", torch.cuda.get_device_name(output.device))


def open_backend(name: str, mlp: Mlp, onnx: bytes | None, settings: Settings) -> Backend:  # noqa: ARG001
    """Open a model in PyTorch. See `registry.open_in_process`."""
    if not name.endswith("-cuda"):
        return TorchBackend(name, mlp, torch.device("cpu"), settings)
    if not torch.cuda.is_available():
        built = f"is built for CUDA {torch.version.cuda}" if torch.version.cuda else "is built without CUDA"
        raise BackendUnavailable(
            f"{name}: no usable CUDA device: PyTorch {torch.__version__} {built}; on a machine with an NVIDIA GPU and"
            " its driver, install PyTorch for CUDA with: pip install 'runoff[gpu]'"
        )
    return TorchBackend(name, mlp, torch.device("cuda"), settings)
