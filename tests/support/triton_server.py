"""Runs NVIDIA's Triton server on the CPU. The package nvidia-pytriton contains the server's executable."""

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from runoff.models.mlp import Mlp
from tests.support.foreign_servers import FOREIGN_MODELS, running_server, save_weights
from tests.support.foreign_software import foreign_python
from tests.support.services import free_port

MODEL_CODE = FOREIGN_MODELS / "triton_model.py"


@dataclass(frozen=True)
class TritonModel:
    """
    A model and its configuration in Triton.

    Attributes:
        mlp: A policy.
        max_batch_size: Triton's limit; unless it is 0, Triton adds a batch dimension before `dims`.
        dims: Shape of the input in the model's configuration.
        data_type: Triton's name for the datatype of input and output.
    """

    mlp: Mlp
    max_batch_size: int = 0
    dims: tuple[int, ...] = (-1, 6)
    data_type: str = "TYPE_FP32"


@contextmanager
def triton_server(folder: Path, models: Mapping[str, TritonModel]) -> Iterator[str]:
    """
    Serve models until the context ends. If Triton cannot be installed or started, skip the test with the reason.

    Args:
        folder: Folder for Triton's model repository, its backends and its log.
        models: The models by name.

    Yields:
        The server's address.
    """
    # Install NumPy 1: Triton's Python backend was compiled for it, and NumPy 2 has another memory layout of arrays.
    python = foreign_python("triton", ["numpy<2"], ["--no-deps", "nvidia-pytriton"])
    [site] = python.parent.parent.glob("lib/python*/site-packages")
    triton = site / "pytriton" / "tritonserver"
    backends = _copy_backends(triton, folder / "backends")
    for name, model in models.items():
        _write_model(folder / "repository" / name, name, model, site)
    port, log = free_port(), folder / "triton.log"
    command = [str(triton / "bin" / "tritonserver"), f"--model-repository={folder / 'repository'}"]
    command += [f"--backend-directory={backends}", "--allow-http=false", "--allow-metrics=false"]
    command += [
        "--grpc-address=127.0.0.1",
        f"--grpc-port={port}",
        "--backend-config=python,shm-default-byte-size=1048576",
    ]
    libraries = f"{site / 'nvidia_pytriton.libs'}{os.pathsep}{sysconfig.get_config_var('LIBDIR')}"
    with running_server(command, f"127.0.0.1:{port}", log, LD_LIBRARY_PATH=libraries) as address:
        yield address


def _copy_backends(triton: Path, folder: Path) -> Path:
    """Copy Triton's backends to a folder, and add the Python backend's executable for this version of Python."""
    stub = triton / "python_backend_stubs" / f"{sys.version_info.major}.{sys.version_info.minor}"
    if not (triton / "bin" / "tritonserver").exists() or not stub.exists():
        pytest.skip(f"the package has no Triton for Python {sys.version_info.major}.{sys.version_info.minor}")
    shutil.copytree(triton / "backends", folder)
    shutil.copy(stub / "triton_python_backend_stub", folder / "python")
    return folder


def _write_model(folder: Path, name: str, model: TritonModel, site: Path) -> None:
    """Write a model's configuration, code and weights to its folder in Triton's model repository."""
    code = folder / "1"
    code.mkdir(parents=True)
    shutil.copy(MODEL_CODE, code / "model.py")
    (code / "site-packages.txt").write_text(str(site))
    save_weights(model.mlp, code / "weights.npz")
    outputs = [*model.dims[:-1], model.mlp.output_size]
    (folder / "config.pbtxt").write_text(
        f'name: "{name}" backend: "python" max_batch_size: {model.max_batch_size}\n'
        f'input [{{ name: "input" data_type: {model.data_type} dims: {list(model.dims)} }}]\n'
        f'output [{{ name: "output" data_type: {model.data_type} dims: {outputs} }}]\n'
        "instance_group [{ kind: KIND_CPU count: 1 }]\n"
    )
