"""The service neither decodes nor computes a call if the client is no longer waiting for the response."""

from unittest.mock import Mock, create_autospec

import grpc
import numpy as np
import pytest

from runoff.rpc.neural import request_codec
from runoff.service import call_handling
from tests.support.models import random_mlp
from tests.support.services import WatchedBackend, served, wait_until

MESSAGE = request_codec.encode_predict(np.ones((1, 5), np.float32), "policy", "")


@pytest.mark.parametrize("ending", ["expired", "cancelled"])
def test_abandoned_call_is_not_computed(ending: str) -> None:
    """Clients give up calls that wait too long. Computing those calls would only delay other clients."""
    backend = WatchedBackend(random_mlp())
    with served({"net": backend}) as server, grpc.insecure_channel(server.address) as channel:
        method = channel.unary_unary("/neural.NeuralService/Predict", None, None)

        def queue_call(timeout_s: float) -> "grpc.CallFuture[bytes]":
            """Start a call that waits for the first. If it expires before it arrives, retry with a longer deadline."""
            call = method.future(MESSAGE, timeout=timeout_s)
            wait_until(lambda: len(backend.contexts) == 2 or call.done())
            return call if len(backend.contexts) == 2 else queue_call(2 * timeout_s)

        backend.may_go_on.clear()
        first = method.future(MESSAGE, timeout=60)
        assert backend.entered.wait(60)
        abandoned = queue_call(0.1 if ending == "expired" else 60.0)
        if ending == "cancelled":
            abandoned.cancel()  # type: ignore[no-untyped-call] # missing in grpc's stubs
        wait_until(lambda: not backend.contexts[1].is_active())
        backend.may_go_on.set()
        first.result(60)
        server.stop(10).wait(10)
    assert [1] == backend.batch_sizes


@pytest.mark.parametrize(
    ("remaining_s", "active", "status"),
    [
        pytest.param(0.0, True, grpc.StatusCode.DEADLINE_EXCEEDED, id="expired"),
        pytest.param(None, False, grpc.StatusCode.CANCELLED, id="cancelled"),
    ],
)
def test_message_of_an_abandoned_call_is_not_decoded(
    remaining_s: float | None, active: bool, status: grpc.StatusCode
) -> None:
    """Decoding a large batch for a client that has given up would delay other clients' calls."""
    context = create_autospec(grpc.ServicerContext, instance=True)
    context.time_remaining.return_value, context.is_active.return_value = remaining_s, active
    context.abort.side_effect = RuntimeError
    method = Mock(return_value=b"")
    handler = call_handling.create_handlers("s", {"M": method}).service(Mock(method="/s/M"))
    assert handler is not None
    assert handler.unary_unary is not None
    with pytest.raises(RuntimeError):
        handler.unary_unary(b"message", context)
    assert status == context.abort.call_args.args[0]
    method.assert_not_called()
