"""
Tests that a backend of the Open Inference Protocol recognises runoff's own service and notices its replacement.

The service sends its ModelInfo as metadata of its ModelMetadata response. If a proxy drops metadata, the backend calls
GetModelInfo of the original protocol instead.
"""

from collections.abc import Callable

import grpc
import pytest

from runoff.backends.oip_backend import open_oip
from runoff.errors import OtherModelError, ServiceError
from runoff.rpc.model_info import MODEL_INFO_KEY
from runoff.rpc.neural.neural_pb2 import ModelInfoResponse
from tests.support.models import random_mlp
from tests.support.oip import SERVICE_NAME, model_metadata, server_methods
from tests.support.services import WatchedBackend, foreign_service, served

MLP = random_mlp()
Methods = dict[str, bytes | Callable[[bytes, grpc.ServicerContext], bytes]]


def info(nonce: str = "abc", digest: str = MLP.digest) -> bytes:
    """Return the serialized ModelInfo that a runoff service with the network MLP sends."""
    input_size, hidden_size, output_size = MLP.sizes
    return ModelInfoResponse(
        input_size=input_size,
        hidden_size=hidden_size,
        output_size=output_size,
        device="cpu",
        device_name="a processor",
        framework="watched",
        model_digest=digest,
        pid=7,
        nonce=nonce,
    ).SerializeToString()


def with_infos(*infos: bytes | None) -> Methods:
    """Return a server's methods. Each ModelMetadata response carries the next of `infos`, or nothing if it is None."""
    methods, remaining = server_methods(model_metadata()), list(infos)
    response = methods["ModelMetadata"]
    assert isinstance(response, bytes)

    def respond(_request: bytes, context: grpc.ServicerContext) -> bytes:
        info = remaining.pop(0)
        if info is not None:
            context.set_trailing_metadata(((MODEL_INFO_KEY, info),))
        return response

    return methods | {"ModelMetadata": respond}


def test_service_is_identified_by_call_metadata() -> None:
    """A proxy may not forward GetModelInfo, so the ModelInfo in the call metadata must suffice."""
    with (
        foreign_service(with_infos(info(), info(), info("abd")), SERVICE_NAME) as address,
        open_oip("x-oip", address, MLP, "net") as backend,
    ):
        backend.check_same_service()
        assert ("cpu", "a processor") == (backend.device.type, backend.device.name)
        assert (True, "abc", 7) == tuple(
            backend.facts[f"service_{fact}"] for fact in ("tells_identity", "nonce", "pid")
        )
        with pytest.raises(
            ServiceError, match=r"x-oip: the service at .* was replaced by another: nonce was 'abc', is 'abd'"
        ):
            backend.check_same_service()


def test_other_weights_are_found_by_call_metadata() -> None:
    """Models with different weights can have equal input and output sizes, so the client must compare digests."""
    with (
        foreign_service(with_infos(info(digest="0" * 64)), SERVICE_NAME) as address,
        pytest.raises(OtherModelError, match="other weights"),
    ):
        open_oip("x-oip", address, MLP, "net")


def test_runoff_service_is_identified_without_the_original_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy may forward only the Open Inference Protocol, so the backend must not need the original protocol."""
    monkeypatch.setattr("runoff.backends.oip_backend.NeuralClient", None)
    with (
        served({"m": WatchedBackend(MLP)}) as server,
        open_oip("x-oip", server.address, MLP, "m") as backend,
    ):
        assert backend.facts["service_tells_identity"] is True
        backend.check_same_service()


def test_get_model_info_identifies_a_service_without_call_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    """Older runoff services and some proxies send no metadata, so the backend must then call GetModelInfo."""
    monkeypatch.setattr("runoff.service.oip_service.send_identity", lambda *_: None)
    with served({"m": WatchedBackend(MLP)}) as first:
        backend = open_oip("x-oip", first.address, MLP, "m")
        assert backend.facts["service_tells_identity"] is True
    with (
        backend,
        served({"m": WatchedBackend(MLP)}, port=first.port),
        pytest.raises(ServiceError, match="nonce was"),
    ):
        backend.check_same_service()


def test_facts_about_a_foreign_server_state_that_it_has_no_identity() -> None:
    """runoff would not notice if a similar server replaced a third-party server, so the record must state this risk."""
    with (
        foreign_service(with_infos(None), SERVICE_NAME) as address,
        open_oip("x-oip", address, MLP, "net") as backend,
    ):
        assert backend.facts["service_tells_identity"] is False
        assert "unknown" == backend.device.type


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        pytest.param(info(), None, "was a runoff service, is another server", id="runoff-before"),
        pytest.param(None, info(), "was another server, is a runoff service", id="runoff-after"),
    ],
)
def test_server_identified_only_once_was_replaced(before: bytes | None, after: bytes | None, message: str) -> None:
    """Only runoff's service sends a ModelInfo, so if it appears or disappears, the server was replaced."""
    with (
        foreign_service(with_infos(before, after), SERVICE_NAME) as address,
        open_oip("x-oip", address, MLP, "net") as backend,
        pytest.raises(ServiceError, match=message),
    ):
        backend.check_same_service()


@pytest.mark.parametrize("metadata", [b"\xff\xff", b""], ids=["no-message", "no-sizes"])
def test_invalid_model_info_is_refused(metadata: bytes) -> None:
    """A third-party server may use the same metadata key for other data, so the client must check the ModelInfo."""
    with (
        foreign_service(with_infos(metadata), SERVICE_NAME) as address,
        pytest.raises(ServiceError, match=r"not a valid neural\.ModelInfoResponse|a model of sizes"),
    ):
        open_oip("x-oip", address, MLP, "net")
