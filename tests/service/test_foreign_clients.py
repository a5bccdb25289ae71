"""Clients built with third-party gRPC libraries can call the service. They use runoff's .proto file, not its code."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runoff.rpc import neural
from runoff.service.launcher import RunningService, launch
from tests.support.foreign_software import foreign_python, node_modules
from tests.support.models import random_mlp

MLP = random_mlp()
SAMPLES = [[0.1, 0.2, 0.3, 0.4, 0.5], [1.0, 0.0, -1.0, 0.5, 2.0]]
SCRIPTS = Path(__file__).with_name("foreign_clients")
CONTRACT = Path(neural.__file__).parent


@pytest.fixture(scope="module")
def service(model_path: Path) -> Iterator[RunningService]:
    """A service process that serves the model MLP on the NumPy backend."""
    with launch("numpy", [model_path]) as service:
        yield service


def run(*command: str) -> dict[str, Any]:
    """Run a client script and return the responses that it prints as JSON."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=variables)
    assert done.returncode == 0, done.stderr
    responses: dict[str, Any] = json.loads(done.stdout)
    return responses


def call_with_grpc_js(address: str) -> dict[str, Any]:
    """Call the service with grpc-js, which implements gRPC and HTTP/2 in JavaScript."""
    modules = node_modules("@grpc/grpc-js@1", "@grpc/proto-loader@0.8")
    files = [CONTRACT / "neural.proto", SCRIPTS / "health.proto", modules]
    return run("node", str(SCRIPTS / "grpc_js.js"), address, *map(str, files))


def call_with_grpclib(address: str) -> dict[str, Any]:
    """Call the service with grpclib, a gRPC library in pure Python, in an environment without runoff and grpcio."""
    python = foreign_python("grpclib", ["grpclib", "protobuf"], full_size_only=False)
    return run(str(python), str(SCRIPTS / "grpclib_client.py"), address, str(CONTRACT / "neural.binpb"))


@pytest.fixture(
    scope="module",
    params=[pytest.param(call_with_grpc_js, id="grpc-js"), pytest.param(call_with_grpclib, id="grpclib")],
)
def responses(request: pytest.FixtureRequest, service: RunningService) -> dict[str, Any]:
    """The service's responses, as decoded by each third-party client."""
    found: dict[str, Any] = request.param(service.address)
    return found


def test_foreign_client_gets_the_models_probabilities(responses: dict[str, Any]) -> None:
    """runoff encodes messages with its own codec, so other gRPC libraries must be able to read them."""
    expected = MLP.forward(SAMPLES[:1])[0]
    np.testing.assert_allclose(expected, responses["predict"]["probabilities"], rtol=1e-5)
    assert int(expected.argmax()) == responses["predict"]["best_move"]


def test_foreign_client_gets_a_batch_in_order(responses: dict[str, Any]) -> None:
    """Clients match outputs with inputs by position in the batch, so both must have the same order."""
    found = [output["probabilities"] for output in responses["batch"]["outputs"]]
    np.testing.assert_allclose(MLP.forward(SAMPLES), found, rtol=1e-5)


def test_foreign_client_reads_the_model_info(responses: dict[str, Any]) -> None:
    """ModelInfoResponse has more fields than the five of the original contract, so older clients must skip the rest."""
    info = responses["info"]
    assert [5, 7, 3, "cpu"] == [info[name] for name in ("input_size", "hidden_size", "output_size", "device")]


def test_foreign_client_reads_an_error(responses: dict[str, Any]) -> None:
    """To correct an invalid request, a client's author needs the status (3 is INVALID_ARGUMENT) and the reason."""
    assert {"code": 3, "details": "sample 0 has 1 features, expected 5"} == responses["refused"]


def test_foreign_client_reads_the_health(responses: dict[str, Any]) -> None:
    """Load balancers and orchestrators use gRPC's standard health check, which must work with any gRPC library."""
    assert "SERVING" == responses["health"]["status"]
