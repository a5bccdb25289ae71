"""A service sends its identity in GetModelInfo responses and in metadata, and clients check it."""

import os
import platform
from importlib import metadata

import grpc
import pytest

from runoff.backends.grpc_backend import open_grpc
from runoff.backends.oip_backend import open_oip
from runoff.errors import ServiceError
from runoff.measurement.machine import Device
from runoff.models.mlp import Mlp
from runoff.rpc.model_info import MODEL_INFO_KEY
from runoff.rpc.neural.neural_pb2 import ModelInfoRequest, ModelInfoResponse
from runoff.rpc.oip.inference_pb2 import ModelMetadataRequest
from tests.support.models import random_mlp
from tests.support.services import WatchedBackend, foreign_info, foreign_service, served

MLP = random_mlp()
IDENTITY_REQUESTS = {
    "/neural.NeuralService/GetModelInfo": ModelInfoRequest(model_type="policy", model_name="net"),
    "/inference.GRPCInferenceService/ModelMetadata": ModelMetadataRequest(name="net"),
}


def call_with_metadata(address: str, method: str) -> tuple[bytes, dict[str, str | bytes]]:
    """Call a gRPC method, and return the response and the call's trailing metadata."""
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        message = IDENTITY_REQUESTS[method].SerializeToString()
        reply, call = channel.unary_unary(method, None, None).with_call(message, timeout=10)
        return reply, dict(call.trailing_metadata())


def model_info(address: str) -> ModelInfoResponse:
    """Return the response of GetModelInfo."""
    return ModelInfoResponse.FromString(call_with_metadata(address, "/neural.NeuralService/GetModelInfo")[0])


def test_model_info_contains_the_whole_identity() -> None:
    """Records contain all of these facts about a service, so GetModelInfo must return each of them."""
    with served({"net": WatchedBackend(MLP)}) as server:
        info = model_info(server.address)
    assert (MLP.digest, "cpu", "a processor") == (info.model_digest, info.device, info.device_name)
    assert ("watched", "1", 3, os.getpid()) == (info.framework, info.framework_version, info.threads, info.pid)
    assert len(info.nonce) == 16
    packages = {name: metadata.version(name) for name in ("runoff", "numpy", "grpcio", "protobuf")}
    assert {"python": platform.python_version(), **packages} == dict(info.versions)


@pytest.mark.parametrize("method", IDENTITY_REQUESTS)
def test_metadata_contains_the_identity_of_model_info(method: str) -> None:
    """Clients of both protocols must notice when a different service answers, so both must receive all facts."""
    backend = WatchedBackend(MLP)
    # The original protocol calls this framework `pytorch`.
    backend.facts["framework"] = "torch"
    with served({"net": backend}) as server:
        info = model_info(server.address)
        _, entries = call_with_metadata(server.address, method)
    whole = entries.pop(MODEL_INFO_KEY)
    assert isinstance(whole, bytes)
    assert info == ModelInfoResponse.FromString(whole)
    wanted = {
        "runoff-model-digest": MLP.digest,
        "runoff-device": "cpu",
        "runoff-device-name": "a processor",
        "runoff-framework": "pytorch",
        "runoff-framework-version": "1",
        "runoff-threads": "3",
        "runoff-pid": str(os.getpid()),
        "runoff-nonce": info.nonce,
    }
    versions = str(entries.pop("runoff-versions")).split()
    assert dict(info.versions) == dict(word.split("=") for word in versions)
    assert wanted == entries


def test_each_start_has_a_nonce_of_its_own() -> None:
    """A process id can be reused, and one process can start two services, so each start needs a nonce of its own."""
    nonces = set()
    for _ in range(3):
        with served({"net": WatchedBackend(MLP)}) as server:
            nonces.add(model_info(server.address).nonce)
    assert 3 == len(nonces)


def test_device_name_outside_ascii_is_escaped() -> None:
    """gRPC accepts only ASCII in metadata, so other characters in a device name must be escaped or replaced."""
    backend = WatchedBackend(MLP)
    backend.device = Device("cpu", "Prozessor für\nalles")
    with served({"net": backend}) as server:
        _, metadata = call_with_metadata(server.address, "/inference.GRPCInferenceService/ModelMetadata")
    assert r"Prozessor f\xfcr?alles" == metadata["runoff-device-name"]


def info_of(mlp: Mlp, **changed: object) -> bytes:
    """Return the GetModelInfo response of a runoff service, in which some fields have the given values."""
    told = ModelInfoResponse.FromString(foreign_info(mlp))
    told.MergeFrom(ModelInfoResponse(pid=7, nonce="abc", threads=1, versions={"numpy": "2.0"}))
    told.MergeFrom(ModelInfoResponse(**changed))  # type: ignore[arg-type]  # fields of any type, by name
    return told.SerializeToString()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"pid": 8}, "pid was 7, is 8"),
        ({"nonce": "abd"}, "nonce was 'abc', is 'abd'"),
        ({"model_digest": "0"}, "model_digest was '', is '0'"),
        ({"device": "cpu"}, "device was 'gpu', is 'cpu'"),
        ({"device_name": "B"}, "device_name was '', is 'B'"),
        ({"framework": "pytorch"}, "framework was 'tensorflow', is 'pytorch'"),
        ({"framework_version": "9"}, "framework_version was '', is '9'"),
        ({"versions": {"numpy": "2.1"}}, "versions was {'numpy': '2.0'}, is {'numpy': '2.1'}"),
        ({"threads": 2}, "threads was 1, is 2"),
        ({"spinning": True}, "spinning was False, is True"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_every_changed_fact_is_reported_as_another_service(changed: dict[str, object], words: str) -> None:
    """A record describes the service that was called first, so a change of any fact must raise an error naming it."""
    answers = [info_of(MLP), info_of(MLP), info_of(MLP, **changed)]
    with (
        foreign_service({"GetModelInfo": lambda _request, _context: answers.pop(0)}) as address,
        open_grpc("x-grpc", address, MLP) as backend,
    ):
        backend.check_same_service()
        with pytest.raises(ServiceError) as raised:
            backend.check_same_service()
    assert f"x-grpc: the service at {address} was replaced by another: {words}" == str(raised.value)


def test_service_of_the_original_protocol_is_checked_by_its_five_fields() -> None:
    """A third-party service of the original protocol reports only five facts. A change of any must raise an error."""
    answers = [foreign_info(MLP), foreign_info(MLP), foreign_info(MLP, (5, 8, 3))]
    with (
        foreign_service({"GetModelInfo": lambda _request, _context: answers.pop(0)}) as address,
        open_grpc("x-grpc", address, MLP) as backend,
    ):
        backend.check_same_service()
        assert backend.facts["service_tells_identity"] is False
        with pytest.raises(ServiceError, match=r"sizes was \(5, 7, 3\), is \(5, 8, 3\)"):
            backend.check_same_service()


def test_record_identifies_the_start_of_the_service() -> None:
    """Records must contain the process id and the nonce, which show whether two records used the same service."""
    with served({"net": WatchedBackend(MLP)}) as server, open_grpc("x-grpc", server.address, MLP) as backend:
        info = model_info(server.address)
        facts = backend.facts
    assert (True, info.pid, info.nonce) == tuple(
        facts[f"service_{fact}"] for fact in ("tells_identity", "pid", "nonce")
    )
    assert f"numpy {metadata.version('numpy')}" in str(facts["service_versions"])


def test_record_contains_the_device_that_the_service_uses() -> None:
    """The service chooses its device, so the record must contain the device that the service reports."""
    watched = WatchedBackend(MLP)
    watched.device = Device("gpu", "a GPU")
    with served({"net": watched}) as server:
        for opened in (open_grpc("x-grpc", server.address, MLP), open_oip("x-oip", server.address, MLP, "net")):
            with opened as backend:
                assert Device("gpu", "a GPU") == backend.device
