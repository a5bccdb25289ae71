"""Runs third-party servers of the Open Inference Protocol in separate processes."""

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest

from runoff.models.mlp import Mlp
from runoff.rpc.oip.inference_pb2 import ServerReadyResponse
from tests.support.oip import call

_START_TIMEOUT_S = 120
FOREIGN_MODELS = Path(__file__).parents[1] / "backends" / "foreign_models"


@contextmanager
def running_server(command: Sequence[str], address: str, log: Path, **variables: str) -> Iterator[str]:
    """
    Run a server until the context ends. If the server does not start, skip the test with the reason.

    Args:
        command: The server's command line.
        address: Address on which the server will listen.
        log: File for the server's output.
        variables: Additional environment variables of the server.

    Yields:
        The address, once the server is ready.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **variables})
    try:
        _wait_until_ready(process, address, log)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def save_weights(mlp: Mlp, path: Path) -> None:
    """Write a network's weights to an .npz file, from which the models in FOREIGN_MODELS load them."""
    arrays = ("weights_hidden", "biases_hidden", "weights_output", "biases_output")
    np.savez(path, **{array: getattr(mlp, array) for array in arrays})


def _wait_until_ready(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    """Wait until the server is ready. Skip the test if the server exits or is not ready before the timeout."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if ServerReadyResponse.FromString(call(address, "ServerReady", b"", timeout_s=1)).ready:
                return
        except grpc.RpcError:
            time.sleep(0.2)
    errors = [line for line in log.read_text(errors="replace").splitlines() if "rror" in line] or ["(no error)"]
    pytest.skip(f"the server does not start on this machine: {errors[-1][:300]}")
