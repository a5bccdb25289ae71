"""Tests of backends that call runoff's own service through the Open Inference Protocol."""

import threading

import numpy as np
import pytest
from google.protobuf.message import Message

from runoff.backends.oip_backend import open_oip
from runoff.errors import BackendUnavailable, OtherModelError, ServiceError, ShapeError
from runoff.models import accuracy
from runoff.models.mlp import Kind, Mlp
from runoff.rpc.oip.inference_pb2 import ServerMetadataResponse
from tests.support.models import random_mlp
from tests.support.oip import SERVICE_NAME, model_metadata, server_methods
from tests.support.services import WatchedBackend, foreign_service, served

MLP = random_mlp()


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_outputs_match_the_reference(batch_size: int) -> None:
    """As with every backend, the outputs must be right and in a new array, which the caller may change."""
    batch = np.random.default_rng(0).normal(size=(batch_size, 5)).astype(np.float32)
    with served({"m": WatchedBackend(MLP)}) as server, open_oip("x-oip", server.address, MLP, "m") as backend:
        found = backend.predict(batch)
    accuracy.check("m", MLP, batch, found)
    assert found.flags.writeable


def test_device_and_facts_are_those_of_the_service() -> None:
    """The Open Inference Protocol has no fields for device and facts, so the service must send both as metadata."""
    with served({"m": WatchedBackend(MLP)}) as server, open_oip("x-oip", server.address, MLP, "m") as backend:
        assert ("cpu", "a processor") == (backend.device.type, backend.device.name)
        assert ("watched", 3, "m") == tuple(backend.facts[key] for key in ("framework", "threads", "service_model"))
        assert backend.facts["other_model"] is False


def test_profile_contains_the_times_of_the_service() -> None:
    """Users compare how long each part of a call takes in both protocols, so this backend must report the parts too."""
    with served({"m": WatchedBackend(MLP)}) as server, open_oip("x-oip", server.address, MLP, "m") as backend:
        parts = backend.profile(np.ones((2, 5), np.float32), 3)
    assert parts is not None
    assert parts.service_compute_s > 0


def test_error_for_a_missing_model_names_the_loaded_ones() -> None:
    """The user may have misspelt the name in --oip-model, so the error must list the names of the loaded models."""
    with (
        served({"m": WatchedBackend(MLP)}) as server,
        pytest.raises(OtherModelError, match="no model named 'n' is loaded; loaded: 'm'"),
    ):
        open_oip("x-oip", server.address, MLP, "n")


@pytest.mark.parametrize(
    ("other", "message_part"),
    [
        pytest.param(random_mlp(seed=1), "other weights", id="weights"),
        pytest.param(random_mlp(hidden_size=8), "5→8→3, expected policy 5→7→3", id="hidden-size"),
        pytest.param(random_mlp(Kind.VALUE), "5→7→1, expected policy 5→7→3", id="kind"),
    ],
)
def test_other_model_of_the_same_name_is_refused(other: Mlp, message_part: str) -> None:
    """The protocol's own metadata contains neither hidden sizes nor weights, so runoff's ModelInfo must be checked."""
    with (
        served({"m": WatchedBackend(other)}) as server,
        pytest.raises(OtherModelError, match=message_part),
    ):
        open_oip("x-oip", server.address, MLP, "m")


def test_allowed_other_model_is_labelled() -> None:
    """With --allow-other-model, users can time any model, so the record must state that another model was timed."""
    other = random_mlp(Kind.VALUE, input_size=4)
    with (
        served({"m": WatchedBackend(other)}) as server,
        open_oip("x-oip", server.address, MLP, "m", allow_other_model=True) as backend,
    ):
        assert (1, 1) == backend.predict(np.ones((1, 4), np.float32)).shape
        assert backend.facts["other_model"] is True


def test_batch_over_the_services_limit_is_not_sent() -> None:
    """The service announces its largest batch size, so the client should refuse a larger batch without sending it."""
    with (
        served({"m": WatchedBackend(MLP)}) as server,
        open_oip("x-oip", server.address, MLP, "m") as backend,
        pytest.raises(ShapeError, match=r"101 samples, the service at .* takes at most 100"),
    ):
        backend.predict(np.ones((101, 5), np.float32))


def test_hung_call_ends_at_the_deadline() -> None:
    """Without a deadline on every call, a service that hangs would block the whole run."""
    watched = WatchedBackend(MLP)
    with (
        served({"m": watched}) as server,
        open_oip("x-oip", server.address, MLP, "m") as backend,
    ):
        backend._client.timeout_s = 0.2
        watched.may_go_on.clear()
        with pytest.raises(BackendUnavailable, match=r"no response from .* within 0.2 s"):
            backend.predict(np.ones((1, 5), np.float32))


def test_successor_on_the_same_port_is_noticed() -> None:
    """A gRPC channel silently reconnects to a new server, whose timings would be recorded as the old server's."""
    with served({"m": WatchedBackend(MLP)}) as first:
        backend = open_oip("x-oip", first.address, MLP, "m")
        backend.check_same_service()
    with (
        backend,
        served({"m": WatchedBackend(MLP)}, port=first.port),
        pytest.raises(ServiceError, match=r"was replaced by another: .*nonce was"),
    ):
        backend.check_same_service()


@pytest.mark.parametrize(
    ("method", "changed", "message"),
    [
        (
            "ServerMetadata",
            ServerMetadataResponse(name="other", version="8"),
            'the server .* was replaced by another: .* version: "8"',
        ),
        ("ModelMetadata", model_metadata((-1, 4)), "the model .* was replaced by another: .* is .*shape: 4"),
    ],
)
def test_changed_metadata_of_a_foreign_server_is_noticed(method: str, changed: Message, message: str) -> None:
    """Third-party servers send no nonce, so only a change of metadata reveals that a server was replaced."""
    methods = server_methods(model_metadata())
    before, is_changed = methods[method], threading.Event()
    assert isinstance(before, bytes)
    methods[method] = lambda _request, _context: changed.SerializeToString() if is_changed.is_set() else before
    with foreign_service(methods, SERVICE_NAME) as address, open_oip("x-oip", address, MLP, "net") as backend:
        backend.check_same_service()
        is_changed.set()
        with pytest.raises(ServiceError, match=message):
            backend.check_same_service()
