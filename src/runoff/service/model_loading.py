"""Reads model files, opens each model on a backend, and warms up the backend."""

import logging
import os
from pathlib import Path

import numpy as np

from runoff.backends.base import Backend, Settings
from runoff.backends.registry import ENGINES, open_in_process
from runoff.errors import BackendUnavailable, UsageError, quote
from runoff.models import go_json
from runoff.models.mlp import Kind, Mlp
from runoff.service.hosted_models import HostedModel

_logger = logging.getLogger(__name__)
# 512 MiB of float64.
MAX_UNTRAINED_WEIGHTS = 2**26


def untrained_mlp(kind: Kind, sizes: tuple[int, int, int]) -> Mlp:
    """Return a network with random weights, which are scaled so that the outputs clearly differ from each other."""
    input_size, hidden_size, output_size = sizes
    random = np.random.default_rng(0)
    return Mlp(
        kind,
        random.standard_normal((hidden_size, input_size)) / np.sqrt(input_size),
        random.standard_normal(hidden_size) * 0.1,
        random.standard_normal((output_size, hidden_size)) / np.sqrt(hidden_size),
        random.standard_normal(output_size) * 0.1,
    )


def parse_sizes(text: str) -> tuple[int, int, int]:
    """Parse a text such as `64,128,8` into (input_size, hidden_size, output_size), or raise UsageError."""
    parts = text.split(",")
    if len(parts) == 3 and all(part.isascii() and part.isdigit() and len(part) <= 5 for part in parts):
        sizes = int(parts[0]), int(parts[1]), int(parts[2])
        weights = sizes[1] * (sizes[0] + sizes[2])
        if all(1 <= size <= go_json.MAX_LAYER_SIZE for size in sizes) and weights <= MAX_UNTRAINED_WEIGHTS:
            return sizes
    raise UsageError(
        f"the sizes are {quote(text)}, expected input,hidden,output like 64,128,8, each 1 to {go_json.MAX_LAYER_SIZE}"
        f" and at most {MAX_UNTRAINED_WEIGHTS} weights in all"
    )


def read_models(paths: dict[str, Path], untrained: dict[str, Mlp]) -> dict[str, tuple[Mlp, bool]]:
    """Return a pair (model, is untrained) by model name: first the models read from files, then the untrained ones."""
    trained = {name: (go_json.read(path), False) for name, path in paths.items()}
    return trained | {name: (mlp, True) for name, mlp in untrained.items()}


def open_models(models: dict[str, tuple[Mlp, bool]], engine: str, device: str, settings: Settings) -> list[HostedModel]:
    """
    Open every model on a backend, warm it up, and return the opened models in the same order.

    Args:
        models: The models by name, each with whether it is untrained.
        engine: A key of registry.ENGINES.
        device: `cpu`, `gpu`, or `auto` for a GPU if there is one.
        settings: Threads and spinning of the backends.

    Raises:
        UsageError: If the engine does not support the device.
        BackendUnavailable: If the engine's package is not installed or the device does not exist.
    """
    supported = ENGINES[engine]
    if device == "gpu" and "gpu" not in supported:
        raise UsageError(f"the engine {engine} never runs on a GPU; leave --device out or choose another engine")
    if device == "cpu":
        # Hide the GPU from the runtime, which might otherwise use it or reserve its memory.
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    device_types: list[str] = [device] if device != "auto" else [name for name in ("gpu", "cpu") if name in supported]
    hosted = []
    for name, (mlp, untrained) in models.items():
        backend = _open_on_first_available(device_types, engine, mlp, settings)
        # A service uses only one device, so open all further models on the first model's device.
        device_types = [backend.device.type]
        model = HostedModel(name, mlp, backend, untrained)
        model.warm_up()
        hosted.append(model)
    return hosted


def _open_on_first_available(device_types: list[str], engine: str, mlp: Mlp, settings: Settings) -> Backend:
    """Open a model on the first device type that works, and log why each earlier device type failed."""
    onnx = None
    if engine == "onnxruntime":
        # Import the conversion only for this engine, because it imports PyTorch, which takes seconds.
        from runoff.conversion import ConversionCache, convert

        onnx = convert(mlp, cache=ConversionCache()).onnx
    for device_type in device_types[:-1]:
        try:
            return open_in_process(ENGINES[engine][device_type], mlp, onnx, settings)
        except BackendUnavailable as error:
            _logger.info("no %s: %s", device_type.upper(), error)
    return open_in_process(ENGINES[engine][device_types[-1]], mlp, onnx, settings)
