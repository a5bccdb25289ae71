"""Facts about the machine that affect timings: processor, cores, GPU, package versions and load."""

import os
import platform
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

# Packages that affect timings. Every saved run contains the versions of those that are installed.
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
    The device on which an opened backend computes, which may differ from the device that was requested.

    Attributes:
        type: `cpu` or `gpu`.
        name: Model name of the processor or GPU.
    """

    type: str
    name: str = ""


@cache
def processor_name() -> str:
    """Return the processor's model name, or its architecture if the system reports no name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_nvidia_gpu() -> bool:
    """Return whether the machine has an NVIDIA GPU with a driver. The GPU itself is not opened."""
    return Path("/dev/nvidiactl").exists() or Path("/proc/driver/nvidia/version").exists()


def package_versions() -> dict[str, str]:
    """Return the versions of the installed packages that affect timings, without importing these packages."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def cpu_steal_s() -> float:
    """Return the CPU time in seconds that other virtual machines have taken since boot, or 0 if it is unknown."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0].split()
        return int(fields[8]) / float(os.sysconf("SC_CLK_TCK"))
    except (OSError, IndexError, ValueError):
        return 0.0


def load_average() -> float:
    """Return the system's load average over the last minute, or 0 if the system does not report it."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
