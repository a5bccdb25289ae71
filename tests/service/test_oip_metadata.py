"""Over the Open Inference Protocol, the service reports its name, its models and whether they are ready."""

from collections.abc import Iterator

import pytest

from runoff.rpc.oip.inference_pb2 import (
    ModelMetadataRequest,
    ModelMetadataResponse,
    ModelReadyRequest,
    ModelReadyResponse,
    ServerLiveResponse,
    ServerMetadataResponse,
    ServerReadyResponse,
)
from runoff.service.server import Server
from tests.support.models import random_mlp
from tests.support.oip import call, refusal
from tests.support.oip_requests import VALID, serve_policy_and_value
from tests.support.services import WatchedBackend


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A service with the policy `first` and the value network `second`."""
    with serve_policy_and_value(WatchedBackend(random_mlp())) as server:
        yield server


def test_metadata_describes_the_tensors_of_a_request(server: Server) -> None:
    """Clients use the metadata to give the tensors of their requests the right names and shapes."""
    request = ModelMetadataRequest(name="second").SerializeToString()
    metadata = ModelMetadataResponse.FromString(call(server.address, "ModelMetadata", request))
    assert ("second", ["1"], "watched") == (metadata.name, list(metadata.versions), metadata.platform)
    tensors = [*metadata.inputs, *metadata.outputs]
    found = [(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in tensors]
    assert [("input", "FP32", [-1, 5]), ("output", "FP32", [-1, 1])] == found


@pytest.mark.parametrize(("name", "version"), [("third", ""), ("first", "2")])
def test_metadata_of_a_missing_model_is_not_found(server: Server, name: str, version: str) -> None:
    """A client that asks for metadata with a wrong model name or version must get an error."""
    request = ModelMetadataRequest(name=name, version=version).SerializeToString()
    assert "NOT_FOUND" == refusal(server.address, "ModelMetadata", request)[0]


def test_server_is_named_and_live(server: Server) -> None:
    """Monitoring tools first call ServerMetadata and ServerLive, so the service must answer both."""
    assert "runoff" == ServerMetadataResponse.FromString(call(server.address, "ServerMetadata", b"")).name
    assert ServerLiveResponse.FromString(call(server.address, "ServerLive", b"")).live


@pytest.mark.parametrize(
    ("name", "version", "ready"),
    [("first", "", True), ("second", "1", True), ("first", "2", False), ("third", "", False), ("", "", False)],
)
def test_only_a_loaded_model_is_ready(server: Server, name: str, version: str, ready: bool) -> None:
    """For a missing model, Triton responds "not ready" and not with an error, so runoff's service must, too."""
    request = ModelReadyRequest(name=name, version=version).SerializeToString()
    assert ready == ModelReadyResponse.FromString(call(server.address, "ModelReady", request)).ready


def test_nothing_is_ready_while_models_load() -> None:
    """While models are loading, the server must report "not ready", so that load balancers send it no requests yet."""
    server = Server("127.0.0.1", 0)
    server.start()
    try:
        assert ServerLiveResponse.FromString(call(server.address, "ServerLive", b"")).live
        assert not ServerReadyResponse.FromString(call(server.address, "ServerReady", b"")).ready
        ready = call(server.address, "ModelReady", ModelReadyRequest(name="first").SerializeToString())
        assert not ModelReadyResponse.FromString(ready).ready
        assert "UNAVAILABLE" == refusal(server.address, "ModelInfer", VALID)[0]
    finally:
        server.stop(0).wait(5)


def test_server_is_ready_once_models_are_loaded(server: Server) -> None:
    """Load balancers send no requests until the server reports that it is ready, so it must report this."""
    assert ServerReadyResponse.FromString(call(server.address, "ServerReady", b"")).ready
