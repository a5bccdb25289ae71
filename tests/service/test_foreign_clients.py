"""Clients that are not of our making, nor of gRPC's own core, drive the service as they are."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runoff.rpc.neural import contract
from runoff.service.launcher import RunningService, launch
from tests.support.foreign_packages import node_modules, python_packages
from tests.support.models import random_mlp

MLP = random_mlp()
SAMPLES = [[0.1, 0.2, 0.3, 0.4, 0.5], [1.0, 0.0, -1.0, 0.5, 2.0]]
SCRIPTS = Path(__file__).with_name("foreign_clients")
CONTRACT = Path(contract.__file__).parent


@pytest.fixture(scope="module")
def service(model_path: Path) -> Iterator[RunningService]:
    with launch("numpy", [model_path]) as service:
        yield service


def run(*command: str, **environment: str) -> dict[str, Any]:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=os.environ | environment
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def drive_with_grpc_js(address: str) -> dict[str, Any]:
    modules = node_modules("@grpc/grpc-js@1", "@grpc/proto-loader@0.8") / "node_modules"
    files = [CONTRACT / "neural.proto", SCRIPTS / "health.proto", modules]
    return run("node", str(SCRIPTS / "grpc_js.js"), address, *map(str, files))


def drive_with_grpclib(address: str) -> dict[str, Any]:
    packages = python_packages("grpclib", "protobuf")
    # -S: none of this environment's packages, and so neither runoff nor grpcio.
    words = [sys.executable, "-S", str(SCRIPTS / "grpclib_client.py"), address, str(CONTRACT / "neural.binpb")]
    return run(*words, PYTHONPATH=str(packages))


@pytest.fixture(
    scope="module",
    params=[pytest.param(drive_with_grpc_js, id="grpc-js"), pytest.param(drive_with_grpclib, id="grpclib")],
)
def told(request: pytest.FixtureRequest, service: RunningService) -> dict[str, Any]:
    """What the service answered to a foreign client."""
    answers: dict[str, Any] = request.param(service.address)
    return answers


def test_foreign_client_gets_the_models_probabilities(told: dict[str, Any]) -> None:
    """Messages and HTTP/2 alike as others read them."""
    wanted = MLP.forward(SAMPLES[:1])[0]
    np.testing.assert_allclose(wanted, told["predict"]["probabilities"], rtol=1e-5)
    assert int(wanted.argmax()) == told["predict"]["best_move"]


def test_foreign_client_gets_a_batch_in_order(told: dict[str, Any]) -> None:
    """One output for each input."""
    found = [output["probabilities"] for output in told["batch"]["outputs"]]
    np.testing.assert_allclose(MLP.forward(SAMPLES), found, rtol=1e-5)


def test_foreign_client_reads_what_is_served(told: dict[str, Any]) -> None:
    """Our added fields do not keep it from the five it knows."""
    info = told["info"]
    assert [5, 7, 3, "cpu"] == [info[name] for name in ("input_size", "hidden_size", "output_size", "device")]


def test_foreign_client_reads_a_refusal(told: dict[str, Any]) -> None:
    """Status 3 is INVALID_ARGUMENT, and the message says what to change."""
    assert {"code": 3, "details": "sample 0 has 1 features, expected 5"} == told["refused"]


def test_foreign_client_reads_health(told: dict[str, Any]) -> None:
    """What an operator's probe asks."""
    assert "SERVING" == told["health"]["status"]
