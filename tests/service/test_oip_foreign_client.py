"""Our service driven by tritonclient, NVIDIA's own client of the Open Inference Protocol."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runoff.service.server import Server
from tests.support.foreign_environments import foreign_python
from tests.support.models import random_mlp
from tests.support.services import WatchedBackend, served

SCRIPTS = Path(__file__).parent / "foreign"
MLP = random_mlp()
BATCH = np.arange(10, dtype=np.float32).reshape(2, 5) / 10


@pytest.fixture(scope="module")
def tritonclient_python() -> Path:
    """An interpreter with tritonclient; it wants an older protobuf than we have."""
    return foreign_python("tritonclient", ["tritonclient[grpc]"])


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A service of one policy."""
    with served({"m": WatchedBackend(MLP)}) as server:
        yield server


@pytest.fixture(scope="module")
def found(tritonclient_python: Path, server: Server) -> dict[str, Any]:
    """What tritonclient found."""
    answers: dict[str, Any] = json.loads(_run(tritonclient_python, "tritonclient_calls.py", server.address, "m"))
    return answers


def _run(python: Path, script: str, *words: str) -> str:
    source = str(Path(__file__).parents[2] / "src")
    environment = {**os.environ, "PYTHONPATH": source, "PYTHONWARNINGS": "default"}
    command = [str(python), str(SCRIPTS / script), *words]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert 0 == result.returncode, result.stderr
    return result.stdout.strip()


@pytest.mark.parametrize(
    ("question", "answer"),
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
def test_tritonclient_gets_the_answer(found: dict[str, Any], question: str, answer: object) -> None:
    """An existing client works unchanged."""
    assert answer == found[question]


def test_tritonclient_reads_raw_outputs(found: dict[str, Any]) -> None:
    """Its only form."""
    np.testing.assert_allclose(MLP.forward(BATCH), found["raw"], rtol=1e-6)


def test_typed_request_of_foreign_stubs_gets_a_typed_reply(found: dict[str, Any]) -> None:
    """Clients in other languages often write numbers one by one, and read them so."""
    raw_entries, numbers = found["typed"]
    assert 0 == raw_entries
    np.testing.assert_allclose(MLP.forward(BATCH), numbers, rtol=1e-6)


def test_tritonclient_shows_why_a_request_was_refused(found: dict[str, Any]) -> None:
    """In its own exception."""
    status, words = found["refused"]
    assert "StatusCode.INVALID_ARGUMENT" == status
    assert "is [2, 3], expected [batch size of at least 1, 5]" in words


@pytest.mark.parametrize("ours_first", [True, False], ids=["ours-first", "theirs-first"])
def test_foreign_stubs_and_ours_work_in_one_process(
    tritonclient_python: Path, server: Server, ours_first: bool
) -> None:
    """Two sets of stubs of package `inference` in one descriptor pool are a duplicate symbol, whoever comes second."""
    order = ["runoff.rpc.oip.inference_pb2", "tritonclient.grpc"]
    words = order if ours_first else order[::-1]
    assert "True" == _run(tritonclient_python, "both_stubs.py", server.address, "m", *words)
