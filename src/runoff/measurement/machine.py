"""What this machine is, as far as it changes a timing."""

import os
import platform
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

# Whatever is named here and installed stands in every saved run.
_PACKAGES = (
    "numpy",
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "torch",
    "tensorflow",
    "tensorflow_cpu",
    "grpcio",
    "protobuf",
    "pytest",
    "pytest-benchmark",
    "runoff",
)


@dataclass(frozen=True)
class Device:
    """
    Where a backend's arithmetic really happens, as found after opening it, never as asked for.

    Attributes:
        type: `cpu` or `gpu`.
        name: The processor's or GPU's own name.
    """

    type: str
    name: str = ""


@cache
def processor_name() -> str:
    """Return the processor's own name, or its architecture where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_nvidia_gpu() -> bool:
    """Return whether an NVIDIA driver offers a GPU here; opens nothing."""
    return Path("/dev/nvidiactl").exists() or Path("/proc/driver/nvidia/version").exists()


def package_versions() -> dict[str, str]:
    """Return the versions of the installed packages that a timing depends on; imports none of them."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def cpu_steal_s() -> float:
    """Return the CPU time that a hypervisor gave to others since boot, in seconds; 0 where that is not told."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0].split()
        return int(fields[8]) / float(os.sysconf("SC_CLK_TCK"))
    except (OSError, IndexError, ValueError):
        return 0.0


def load_average() -> float:
    """Return the processes that wanted a core over the last minute; 0 where that is not told."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
