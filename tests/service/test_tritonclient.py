"""NVIDIA's client for the Open Inference Protocol, tritonclient, can call the service."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runoff.service.server import Server
from tests.support.foreign_software import foreign_python
from tests.support.models import random_mlp
from tests.support.services import WatchedBackend, served

SCRIPTS = Path(__file__).with_name("foreign_clients")
MLP = random_mlp()
BATCH = np.arange(10, dtype=np.float32).reshape(2, 5) / 10


@pytest.fixture(scope="module")
def tritonclient_python() -> Path:
    """The interpreter of a separate environment with tritonclient, which needs an older protobuf than runoff."""
    return foreign_python("tritonclient", ["tritonclient[grpc]"])


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A service that serves the model MLP under the name `m`."""
    with served({"m": WatchedBackend(MLP)}) as server:
        yield server


@pytest.fixture(scope="module")
def found(tritonclient_python: Path, server: Server) -> dict[str, Any]:
    """The results of tritonclient's calls."""
    results: dict[str, Any] = json.loads(_run(tritonclient_python, "tritonclient_calls.py", server.address, "m"))
    return results


def _run(python: Path, script: str, *arguments: str) -> str:
    """Run a client script, which can also import runoff. Return its output."""
    source = str(Path(__file__).parents[2] / "src")
    environment = {**os.environ, "PYTHONPATH": source, "PYTHONWARNINGS": "default"}
    command = [str(python), str(SCRIPTS / script), *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert 0 == result.returncode, result.stderr
    return result.stdout.strip()


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("live", True),
        ("ready", True),
        ("model_ready", True),
        ("model_ready_version", True),
        ("unknown_ready", False),
        ("server", "runoff"),
        ("shapes", [[-1, 5], [-1, 3]]),
        ("id", "a7"),
        ("large", [100, 3]),
    ],
)
def test_tritonclient_reads_the_response(found: dict[str, Any], call: str, expected: object) -> None:
    """Users of Triton should be able to call runoff's service with the client that they already have."""
    assert expected == found[call]


def test_tritonclient_reads_raw_outputs(found: dict[str, Any]) -> None:
    """tritonclient supports only raw tensors, so the service must answer its requests with raw outputs."""
    np.testing.assert_allclose(MLP.forward(BATCH), found["raw"], rtol=1e-6)


def test_typed_request_of_foreign_stubs_gets_a_typed_response(found: dict[str, Any]) -> None:
    """Clients in other languages often use typed fields for numbers, so the service must accept and return them."""
    raw_entries, outputs = found["typed"]
    assert 0 == raw_entries
    np.testing.assert_allclose(MLP.forward(BATCH), outputs, rtol=1e-6)


def test_tritonclient_shows_the_reason_for_an_error(found: dict[str, Any]) -> None:
    """tritonclient's exception must show the author of a client what to change in the request."""
    status, message = found["refused"]
    assert "StatusCode.INVALID_ARGUMENT" == status
    assert "is [2, 3], expected [batch size of at least 1, 5]" in message


@pytest.mark.parametrize("ours_first", [True, False], ids=["ours-first", "theirs-first"])
def test_foreign_stubs_and_ours_work_in_one_process(
    tritonclient_python: Path, server: Server, ours_first: bool
) -> None:
    """Protobuf's default pool refuses a second definition of the package `inference`, so runoff needs its own pool."""
    modules = ["runoff.rpc.oip.inference_pb2", "tritonclient.grpc"]
    ordered = modules if ours_first else modules[::-1]
    assert "True" == _run(tritonclient_python, "both_stubs.py", server.address, "m", *ordered)
