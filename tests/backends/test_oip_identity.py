"""Who answers over the Open Inference Protocol: by its own answers where they tell, by GetModelInfo otherwise."""

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
    """Return what a service of ours says of itself."""
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


def telling(*told: bytes | None) -> Methods:
    """Return a server that speaks nothing but this protocol, and what stands behind its metadata, call by call."""
    methods, remaining = server_methods(model_metadata()), list(told)
    reply = methods["ModelMetadata"]
    assert isinstance(reply, bytes)

    def answer(_request: bytes, context: grpc.ServicerContext) -> bytes:
        message = remaining.pop(0)
        if message is not None:
            context.set_trailing_metadata(((MODEL_INFO_KEY, message),))
        return reply

    return methods | {"ModelMetadata": answer}


def test_identity_is_taken_from_the_protocols_own_answers() -> None:
    """Behind a proxy that lets only this protocol through, GetModelInfo would not be there."""
    with (
        foreign_service(telling(info(), info(), info("abd")), SERVICE_NAME) as address,
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


def test_other_weights_are_seen_in_the_protocols_own_answers() -> None:
    """Inputs and outputs are alike."""
    with (
        foreign_service(telling(info(digest="0" * 64)), SERVICE_NAME) as address,
        pytest.raises(OtherModelError, match="other weights"),
    ):
        open_oip("x-oip", address, MLP, "net")


def test_our_own_service_needs_no_other_protocol_to_be_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it tells with ModelMetadata is enough."""
    monkeypatch.setattr("runoff.backends.oip_backend.NeuralClient", None)
    with (
        served({"m": WatchedBackend(MLP)}) as server,
        open_oip("x-oip", server.address, MLP, "m") as backend,
    ):
        assert backend.facts["service_tells_identity"] is True
        backend.check_same_service()


def test_model_info_answers_where_metadata_of_calls_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a service of ours that is older, or a proxy that drops what comes behind a reply."""
    monkeypatch.setattr("runoff.service.oip_service.send_identity", lambda _context, _info: None)
    with served({"m": WatchedBackend(MLP)}) as first:
        backend = open_oip("x-oip", first.address, MLP, "m")
        assert backend.facts["service_tells_identity"] is True
    with (
        backend,
        served({"m": WatchedBackend(MLP)}, port=first.port),
        pytest.raises(ServiceError, match="nonce was"),
    ):
        backend.check_same_service()


def test_foreign_server_has_no_identity_and_the_record_says_so() -> None:
    """Triton tells neither: a like server in its place would not be noticed."""
    with (
        foreign_service(telling(None), SERVICE_NAME) as address,
        open_oip("x-oip", address, MLP, "net") as backend,
    ):
        assert backend.facts["service_tells_identity"] is False
        # No CPU either: a guess is no finding.
        assert "unknown" == backend.device.type


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        pytest.param(info(), None, "was a runoff service, is another server", id="told-before"),
        pytest.param(None, info(), "was another server, is a runoff service", id="tells-after"),
    ],
)
def test_server_that_tells_only_once_is_another(before: bytes | None, after: bytes | None, words: str) -> None:
    """One of ours and one that is not."""
    with (
        foreign_service(telling(before, after), SERVICE_NAME) as address,
        open_oip("x-oip", address, MLP, "net") as backend,
        pytest.raises(ServiceError, match=words),
    ):
        backend.check_same_service()


@pytest.mark.parametrize("told", [b"\xff\xff", b""], ids=["no-message", "no-sizes"])
def test_nonsense_in_place_of_an_identity_is_refused(told: bytes) -> None:
    """Metadata of a server that is not ours may hold anything."""
    with (
        foreign_service(telling(told), SERVICE_NAME) as address,
        pytest.raises(ServiceError, match=r"no neural\.ModelInfoResponse|a model of sizes"),
    ):
        open_oip("x-oip", address, MLP, "net")
