"""
Lists the names of all backends and the packages that they need, and opens in-process backends.

To add an in-process backend:

1. Write a module in this folder with a subclass of `base.Backend` and a function
   `open_backend(name, mlp, onnx, settings)` that returns an instance. `null_backend` is the shortest example.
2. Add its name and an InProcess entry to IN_PROCESS. The perf suite and `runoff serve` then offer it.
3. To host it in the service as well, add it to ENGINES, and to SERVICES for a backend that measures that service.

No framework is imported before a backend that needs it is opened.
"""

import importlib
import importlib.util
from dataclasses import dataclass

from runoff.backends.base import Backend, Settings
from runoff.errors import BackendError, BackendUnavailable, UsageError
from runoff.models.mlp import Mlp


@dataclass(frozen=True)
class InProcess:
    """
    The description of an in-process backend.

    Attributes:
        module: Module in runoff.backends that has `open_backend`.
        device_type: The requested type of device, `cpu` or `gpu`. An opened backend's `device` is the one in use.
        packages: Top-level packages that the module imports.
        extra: The extra of runoff that installs these packages.
        label: Name of the framework in titles.
    """

    module: str
    device_type: str
    packages: tuple[str, ...]
    extra: str
    label: str

    @property
    def runs_onnx(self) -> bool:
        """Whether the backend loads the model from an ONNX file. All other backends build the model from an Mlp."""
        return self.module == "onnxruntime_backend"


IN_PROCESS: dict[str, InProcess] = {
    "numpy": InProcess("numpy_backend", "cpu", ("numpy", "threadpoolctl"), "", "NumPy"),
    "onnxruntime-cpu": InProcess("onnxruntime_backend", "cpu", ("onnxruntime",), "onnxruntime", "ONNX Runtime"),
    "onnxruntime-cuda": InProcess("onnxruntime_backend", "gpu", ("onnxruntime",), "gpu", "ONNX Runtime"),
    "torch-cpu": InProcess("torch_backend", "cpu", ("torch",), "torch", "PyTorch"),
    "torch-cuda": InProcess("torch_backend", "gpu", ("torch",), "gpu", "PyTorch"),
    "tensorflow-cpu": InProcess("tensorflow_backend", "cpu", ("tensorflow",), "tensorflow", "TensorFlow"),
    "tensorflow-gpu": InProcess("tensorflow_backend", "gpu", ("tensorflow",), "gpu", "TensorFlow"),
    "null": InProcess("null_backend", "cpu", (), "", "nothing"),
}
# For each engine of a service and each type of device: the in-process backend that runs the model.
ENGINES: dict[str, dict[str, str]] = {
    "tensorflow": {"cpu": "tensorflow-cpu", "gpu": "tensorflow-gpu"},
    "onnxruntime": {"cpu": "onnxruntime-cpu", "gpu": "onnxruntime-cuda"},
    "torch": {"cpu": "torch-cpu", "gpu": "torch-cuda"},
    "numpy": {"cpu": "numpy"},
    "null": {"cpu": "null"},
}
# The protocols that runoff's service speaks: the original protocol (grpc) and the Open Inference Protocol (oip).
PROTOCOLS = ("grpc", "oip")
# The backends that call a service started by runoff, each with the engine of that service. The two backends of an
# engine, one for each protocol, call the same service.
SERVICES: dict[str, str] = {
    f"{engine}-{protocol}": engine
    for protocol in PROTOCOLS
    for engine in ("tensorflow", "onnxruntime", "torch", "null")
}
# The backends that call a service at an address chosen by the user, each with the option that sets the address.
REMOTES: dict[str, str] = {f"remote-{protocol}": f"--{protocol}-addr" for protocol in PROTOCOLS}
_SERVICE_PACKAGES = ("grpc", "google.protobuf", "grpc_health")


def open_in_process(name: str, mlp: Mlp | None, onnx: bytes | None = None, settings: Settings | None = None) -> Backend:
    """
    Open a model on an in-process backend.

    Args:
        name: A key of IN_PROCESS.
        mlp: The model. None for an ONNX file without known weights, which only the onnxruntime backends run.
        onnx: The model as a serialized ONNX file. The onnxruntime backends need it; the others ignore it.
        settings: Threads and spinning. None selects one thread without spinning.

    Returns:
        The opened backend, not yet warmed up. Its device and facts describe what is actually in use.

    Raises:
        UsageError: If no in-process backend has that name. The message lists the names.
        BackendError: If the backend needs the weights but mlp is None.
        BackendUnavailable: If its package or its device is missing. The message contains the cure.
    """
    if name not in IN_PROCESS:
        raise UsageError(f"no in-process backend named {name}; known: {', '.join(IN_PROCESS)}")
    require_packages(name)
    if mlp is None and not IN_PROCESS[name].runs_onnx:
        raise BackendError(
            f"{name}: needs the model's weights; an ONNX file without them runs on the onnxruntime backends only"
        )
    module = importlib.import_module(f"runoff.backends.{IN_PROCESS[name].module}")
    backend = module.open_backend(name, mlp, onnx, settings or Settings())
    assert isinstance(backend, Backend)  # noqa: S101 - narrows the type of a dynamically imported function's result
    return backend


def protocol_of(name: str) -> str:
    """Return the protocol ("grpc" or "oip") of a backend that calls a service."""
    return name.rpartition("-")[2]


def require_packages(name: str, device_type: str = "cpu") -> None:
    """
    Check, without importing anything, that all packages that a backend needs are installed.

    Args:
        name: Name of any backend.
        device_type: For a service, the type of device that its engine should run on.

    Raises:
        BackendUnavailable: If a package is missing. The message contains its name and the cure.
    """
    if name in IN_PROCESS:
        _require(name, IN_PROCESS[name].packages, IN_PROCESS[name].extra)
        return
    _require(name, _SERVICE_PACKAGES, "service")
    if name in SERVICES:
        engine = IN_PROCESS[ENGINES[SERVICES[name]].get(device_type, "null")]
        _require(name, engine.packages, engine.extra)


def _require(name: str, packages: tuple[str, ...], extra: str) -> None:
    """Raise BackendUnavailable with an installation command if one of the packages is not installed."""
    for package in packages:
        # `find_spec` imports the parent package of a submodule, so look for the top-level package only.
        if importlib.util.find_spec(package.partition(".")[0]) is None:
            raise BackendUnavailable(
                f"{name}: the package {package} is not installed; install it with: pip install 'runoff[{extra}]'"
            )
