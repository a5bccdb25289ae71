"""Messages and batches above a limit are refused before anything is sent or computed. Abandoned calls are skipped."""

from typing import Any, cast

import grpc
import numpy as np
import pytest
from grpc import _server

from runoff.backends.grpc_backend import open_grpc
from runoff.errors import ShapeError
from runoff.models.mlp import Kind
from runoff.rpc.neural import request_codec
from runoff.rpc.neural.client import NeuralClient
from runoff.service.server import DEFAULT_WORKERS, Server
from tests.support.models import random_mlp
from tests.support.services import WatchedBackend, call, refusal, served, wait_until

MLP = random_mlp()


def active_calls(server: Server) -> int:
    """Return the number of calls that the server regards as open: neither answered nor cancelled nor expired."""
    return sum(map(_server._is_rpc_state_active, list(cast("Any", server)._grpc._state.rpc_states)))


def test_batch_over_the_services_own_limit_is_refused_before_it_is_sent() -> None:
    """A service may have a smaller limit than the default. It reports this limit, which the client must respect."""
    backend = WatchedBackend(MLP)
    with (
        served({"m": backend}, max_batch_size=10) as server,
        open_grpc("x-grpc", server.address, MLP) as client,
        pytest.raises(ShapeError, match=rf"11 samples, the service at {server.address} takes at most 10"),
    ):
        client.predict(np.ones((11, 5), np.float32))
    assert [] == backend.batch_sizes


def test_message_over_the_limit_is_refused_before_it_is_sent() -> None:
    """To fix the call, users need the message's size, the limit, and the number of samples that would fit."""
    words = r"2000 samples makes a message of \d+ bytes, the limit is 33554432; about 16\d\d samples fit"
    with NeuralClient("127.0.0.1:1") as client, pytest.raises(ShapeError, match=words):
        client.predict(np.zeros((2000, 5000), np.float32), Kind.POLICY)


def test_messages_over_grpcs_own_limit_pass_both_ways() -> None:
    """By default, gRPC refuses messages above 4 MiB, so service and client must both raise the limit."""
    mlp = random_mlp(input_size=600, output_size=600)
    with (
        served({"m": WatchedBackend(mlp)}, max_message_bytes=2**23, max_batch_size=2000) as server,
        open_grpc("x-grpc", server.address, mlp) as client,
    ):
        assert (2000, 600) == client.predict(np.zeros((2000, 600), np.float32)).shape


@pytest.mark.parametrize("method", ["Predict", "BatchPredict"])
def test_response_over_the_message_limit_is_refused_before_it_is_computed(method: str) -> None:
    """A small request can cause a response of gigabytes, so the size must be checked before the model computes it."""
    mlp = random_mlp(input_size=1, output_size=300)
    backend = WatchedBackend(mlp)
    encode = request_codec.encode_predict if method == "Predict" else request_codec.encode_batch_predict
    with served({"m": backend}, max_message_bytes=1000) as server:
        status, words = refusal(server.address, method, encode(np.zeros((1, 1), np.float32), "policy", ""))
    assert "RESOURCE_EXHAUSTED" == status
    assert "the response to 1 samples would have 1223 bytes, the limit is 1000" in words
    assert [] == backend.batch_sizes


@pytest.mark.parametrize(
    ("ending", "most_decoded"),
    [
        # Calls expire one after the other, so the service may still decode calls that expire a moment later.
        pytest.param("expired", 42, id="expired"),
        pytest.param("cancelled", DEFAULT_WORKERS + 1, id="cancelled"),
    ],
)
def test_nothing_is_computed_for_calls_given_up_in_a_long_queue(ending: str, most_decoded: int) -> None:
    """The service must not compute abandoned calls, and must not even decode abandoned calls that wait for a thread."""
    backend = WatchedBackend(MLP)
    message = request_codec.encode_predict(np.ones((1, 5), np.float32), "policy", "")
    with served({"m": backend}) as server, grpc.insecure_channel(server.address) as channel:
        method = channel.unary_unary("/neural.NeuralService/Predict", None, None)
        backend.may_go_on.clear()
        first = method.future(message, timeout=120)
        assert backend.entered.wait(60)
        given_up = [method.future(message, timeout=2 if ending == "expired" else 120) for _ in range(40)]
        wait_until(lambda: len(backend.contexts) >= DEFAULT_WORKERS)
        if ending == "cancelled":
            for future in given_up:
                future.cancel()  # type: ignore[no-untyped-call] # grpc's stubs leave it out
        wait_until(lambda: all(future.done() for future in given_up))
        # Queued calls have no context yet, so only gRPC's internal state shows whether the server has noticed that
        # they are abandoned.
        wait_until(lambda: active_calls(server) == 1)
        backend.may_go_on.set()
        first.result(60)
        # All abandoned calls precede this call in the queue, so once it is answered, they have been handled.
        call(server.address, "Predict", message)
    assert [1, 1] == backend.batch_sizes
    assert len(backend.contexts) <= most_decoded
