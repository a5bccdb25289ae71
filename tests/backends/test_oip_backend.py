"""Backends over the Open Inference Protocol through our own service: answers, identity, where the time goes."""

import threading
from pathlib import Path

import numpy as np
import pytest
from google.protobuf.message import Message

from runoff.backends.oip_backend import open_oip
from runoff.errors import BackendUnavailable, OtherModelError, ServiceError, ShapeError
from runoff.models import accuracy, go_json
from runoff.models.mlp import Kind, Mlp
from runoff.rpc.oip.inference_pb2 import ServerMetadataResponse
from runoff.service.launcher import RunningService
from tests.support.models import random_mlp
from tests.support.oip import SERVICE_NAME, model_metadata, server_methods
from tests.support.services import WatchedBackend, foreign_service, served

MLP = random_mlp()


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_answers_are_the_models(batch_size: int) -> None:
    """From a float32 array to a float32 array, like any other backend."""
    batch = np.random.default_rng(0).normal(size=(batch_size, 5)).astype(np.float32)
    with served({"m": WatchedBackend(MLP)}) as server, open_oip("x-oip", server.address, MLP, "m") as backend:
        found = backend.predict(batch)
    accuracy.check("m", MLP, batch, found)
    assert found.flags.writeable


def test_device_and_facts_are_those_that_the_service_found() -> None:
    """The protocol has no words for them; our service tells them beside it, on the same channel."""
    with served({"m": WatchedBackend(MLP)}) as server, open_oip("x-oip", server.address, MLP, "m") as backend:
        assert ("cpu", "a processor") == (backend.device.type, backend.device.name)
        assert ("watched", 3, "m") == tuple(backend.facts[key] for key in ("framework", "threads", "service_model"))
        assert backend.facts["other_model"] is False


def test_service_tells_what_each_part_of_a_call_took() -> None:
    """As over the original messages."""
    with served({"m": WatchedBackend(MLP)}) as server, open_oip("x-oip", server.address, MLP, "m") as backend:
        parts = backend.profile(np.ones((2, 5), np.float32), 3)
    assert parts is not None
    assert parts.service_compute_s > 0


def test_model_that_is_not_loaded_is_named_with_those_that_are() -> None:
    """A slip of the pen in --oip-model."""
    with (
        served({"m": WatchedBackend(MLP)}) as server,
        pytest.raises(OtherModelError, match="no model named 'n' is loaded; loaded: 'm'"),
    ):
        open_oip("x-oip", server.address, MLP, "n")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        pytest.param(random_mlp(seed=1), "other weights", id="weights"),
        pytest.param(random_mlp(hidden_size=8), "5→8→3, expected policy 5→7→3", id="hidden-size"),
        pytest.param(random_mlp(Kind.VALUE), "5→7→1, expected policy 5→7→3", id="kind"),
    ],
)
def test_other_model_under_the_name_is_refused(other: Mlp, words: str) -> None:
    """Metadata alone would show none of these but the last."""
    with (
        served({"m": WatchedBackend(other)}) as server,
        pytest.raises(OtherModelError, match=words),
    ):
        open_oip("x-oip", server.address, MLP, "m")


def test_other_model_is_labelled_when_allowed() -> None:
    """In its own sizes, whatever its kind."""
    other = random_mlp(Kind.VALUE, input_size=4)
    with (
        served({"m": WatchedBackend(other)}) as server,
        open_oip("x-oip", server.address, MLP, "m", allow_other_model=True) as backend,
    ):
        assert (1, 1) == backend.predict(np.ones((1, 4), np.float32)).shape
        assert backend.facts["other_model"] is True


def test_batch_over_the_services_limit_is_refused_before_it_is_sent() -> None:
    """The service announces its limit."""
    with (
        served({"m": WatchedBackend(MLP)}) as server,
        open_oip("x-oip", server.address, MLP, "m") as backend,
        pytest.raises(ShapeError, match=r"101 samples, the service at .* takes at most 100"),
    ):
        backend.predict(np.ones((101, 5), np.float32))


def test_hung_call_ends_at_the_deadline() -> None:
    """Without a deadline on every call, a hung server would hang the run."""
    watched = WatchedBackend(MLP)
    with (
        served({"m": watched}) as server,
        open_oip("x-oip", server.address, MLP, "m", timeout_s=0.5) as backend,
    ):
        watched.may_go_on.clear()
        with pytest.raises(BackendUnavailable, match=r"no response from .* within 0.5 s"):
            backend.predict(np.ones((1, 5), np.float32))


def test_successor_on_the_same_port_is_noticed() -> None:
    """A channel follows a new server silently; its timings would be put down to the old one."""
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
    ("method", "changed", "words"),
    [
        (
            "ServerMetadata",
            ServerMetadataResponse(name="other", version="8"),
            'the server .* was replaced by another: .* version: "8"',
        ),
        ("ModelMetadata", model_metadata((-1, 4)), "the model .* was replaced by another: .* is .*shape: 4"),
    ],
)
def test_change_that_a_foreign_server_tells_is_noticed(method: str, changed: Message, words: str) -> None:
    """It has no nonce; what it does tell is compared."""
    methods = server_methods(model_metadata())
    before, is_changed = methods[method], threading.Event()
    assert isinstance(before, bytes)
    methods[method] = lambda _request, _context: changed.SerializeToString() if is_changed.is_set() else before
    with foreign_service(methods, SERVICE_NAME) as address, open_oip("x-oip", address, MLP, "net") as backend:
        backend.check_same_service()
        is_changed.set()
        with pytest.raises(ServiceError, match=words):
            backend.check_same_service()


def test_service_started_by_the_launcher_speaks_both_protocols(running: RunningService, model_path: Path) -> None:
    """One service of an engine is enough for both of its backends."""
    mlp = go_json.read(model_path)
    batch = np.random.default_rng(0).normal(size=(8, mlp.input_size)).astype(np.float32)
    with open_oip("numpy-oip", running.address, mlp, model_path.stem) as backend:
        accuracy.check("numpy-oip", mlp, batch, backend.predict(batch))
        backend.check_same_service()
