"""Every backend by name: what it is, what it needs, and how it is opened. Imports no framework until one is opened."""

import importlib
import importlib.util
from dataclasses import dataclass

from runoff.backends.base import Backend, Settings
from runoff.errors import BackendError, BackendUnavailable, UsageError
from runoff.models.mlp import Mlp


@dataclass(frozen=True)
class InProcess:
    """
    A backend that runs in this process.

    Attributes:
        module: Module under runoff.backends that has `open_backend`.
        device_type: `cpu` or `gpu`: what is asked for; what was found stands in the opened backend.
        packages: Top-level packages it imports.
        extra: The extra of runoff that installs them.
        label: How titles call the framework.
    """

    module: str
    device_type: str
    packages: tuple[str, ...]
    extra: str
    label: str

    @property
    def runs_onnx(self) -> bool:
        """Whether it runs an ONNX file rather than the weights."""
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
# What a service can be built around, and which in-process backend that is on which device.
ENGINES: dict[str, dict[str, str]] = {
    "tensorflow": {"cpu": "tensorflow-cpu", "gpu": "tensorflow-gpu"},
    "onnxruntime": {"cpu": "onnxruntime-cpu", "gpu": "onnxruntime-cuda"},
    "torch": {"cpu": "torch-cpu", "gpu": "torch-cuda"},
    "numpy": {"cpu": "numpy"},
    "null": {"cpu": "null"},
}
# What a service speaks, all on one port: the original messages, and the Open Inference Protocol with its raw tensors.
PROTOCOLS = ("grpc", "oip")
# The backends that go through a service of our own, and its engine; both protocols of an engine share one service.
SERVICES: dict[str, str] = {
    f"{engine}-{protocol}": engine
    for protocol in PROTOCOLS
    for engine in ("tensorflow", "onnxruntime", "torch", "null")
}
# The backends at an address that the user gives, and the option that gives it.
REMOTES: dict[str, str] = {f"remote-{protocol}": f"--{protocol}-addr" for protocol in PROTOCOLS}
_SERVICE_PACKAGES = ("grpc", "google.protobuf", "grpc_health")


def open_in_process(name: str, mlp: Mlp | None, onnx: bytes | None = None, settings: Settings | None = None) -> Backend:
    """
    Open a model on an in-process backend.

    Args:
        name: A key of IN_PROCESS.
        mlp: The model; None for a bare ONNX file, which only the onnxruntime backends run.
        onnx: The model as ONNX; the onnxruntime backends need it, the others ignore it.
        settings: Threads and spinning; one thread without spinning if not given.

    Returns:
        The opened backend, not yet warm; its device and facts are what was found.

    Raises:
        UsageError: If there is no such backend; lists those there are.
        BackendError: If it needs the weights and was given a bare ONNX file.
        BackendUnavailable: If its package or its device is not there; names the cure.
    """
    if name not in IN_PROCESS:
        raise UsageError(f"no in-process backend named {name}; known: {', '.join(IN_PROCESS)}")
    require_packages(name)
    if mlp is None and not IN_PROCESS[name].runs_onnx:
        raise BackendError(f"{name}: needs the model's weights, a bare ONNX file runs on the onnxruntime backends only")
    module = importlib.import_module(f"runoff.backends.{IN_PROCESS[name].module}")
    backend = module.open_backend(name, mlp, onnx, settings or Settings())
    assert isinstance(backend, Backend)  # noqa: S101 - narrows for mypy what the contract says
    return backend


def protocol_of(name: str) -> str:
    """Return which of PROTOCOLS a key of SERVICES or REMOTES speaks."""
    return name.rpartition("-")[2]


def require_packages(name: str, device_type: str = "cpu") -> None:
    """
    Find out without importing anything whether a backend's packages are installed.

    Args:
        name: Any backend's name.
        device_type: For a service, the device its engine is wanted on.

    Raises:
        BackendUnavailable: If one is missing; names it and the cure.
    """
    if name in IN_PROCESS:
        _require(name, IN_PROCESS[name].packages, IN_PROCESS[name].extra)
        return
    _require(name, _SERVICE_PACKAGES, "service")
    if name in SERVICES:
        engine = IN_PROCESS[ENGINES[SERVICES[name]].get(device_type, "null")]
        _require(name, engine.packages, engine.extra)


def _require(name: str, packages: tuple[str, ...], extra: str) -> None:
    for package in packages:
        # A submodule's parent would be imported to look for it; the parent alone is enough.
        if importlib.util.find_spec(package.partition(".")[0]) is None:
            raise BackendUnavailable(
                f"{name}: the package {package} is not installed; install it with: pip install 'runoff[{extra}]'"
            )
