"""What our service answers, to good requests and to each kind of bad one, over a real socket."""

import logging
import tracemalloc
from collections.abc import Iterator
from unittest.mock import Mock, create_autospec

import grpc
import numpy as np
import pytest

from runoff.models.mlp import Kind
from runoff.rpc.neural import request_codec
from runoff.rpc.neural.neural_pb2 import (
    BatchPredictRequest,
    BatchPredictResponse,
    InputFeatures,
    ModelInfoRequest,
    ModelInfoResponse,
    PredictRequest,
    PredictResponse,
)
from runoff.service import calls
from runoff.service.server import Server
from tests.support.models import random_mlp
from tests.support.services import WatchedBackend, call, refusal, served, wait_until

GOOD = [0.1, 0.2, 0.3, 0.4, 0.5]


@pytest.fixture
def backend() -> WatchedBackend:
    return WatchedBackend(random_mlp())


@pytest.fixture
def server(backend: WatchedBackend) -> Iterator[Server]:
    """A service with two policy models and no value model."""
    with served({"first": backend, "second": WatchedBackend(random_mlp(seed=1))}) as server:
        yield server


def predict_request(features: list[float], model_type: str = "policy", model_name: str = "") -> bytes:
    return PredictRequest(features=features, model_type=model_type, model_name=model_name).SerializeToString()


def batch_request(samples: list[list[float]], model_type: str = "policy") -> bytes:
    inputs = [InputFeatures(features=sample) for sample in samples]
    return BatchPredictRequest(inputs=inputs, model_type=model_type).SerializeToString()


def test_existing_client_gets_probabilities_and_best_move(server: Server, backend: WatchedBackend) -> None:
    """A client that knows no names gets the model loaded first."""
    reply = PredictResponse.FromString(call(server.address, "Predict", predict_request(GOOD)))
    wanted = backend.mlp.forward([GOOD])[0]
    np.testing.assert_allclose(wanted, reply.probabilities, rtol=1e-6)
    assert int(wanted.argmax()) == reply.best_move


def test_named_model_answers(server: Server) -> None:
    """One service hosts several models of a kind."""
    reply = PredictResponse.FromString(call(server.address, "Predict", predict_request(GOOD, model_name="second")))
    np.testing.assert_allclose(random_mlp(seed=1).forward([GOOD])[0], reply.probabilities, rtol=1e-6)


def test_value_model_answers_with_a_value_only() -> None:
    """Clients of the original contract read `value` for a value model."""
    mlp = random_mlp(Kind.VALUE)
    with served({"v": WatchedBackend(mlp)}) as server:
        reply = BatchPredictResponse.FromString(
            call(server.address, "BatchPredict", batch_request([GOOD, GOOD], "value"))
        )
    assert [0, 0] == [len(output.probabilities) for output in reply.outputs]
    np.testing.assert_allclose(mlp.forward([GOOD, GOOD])[:, 0], [output.value for output in reply.outputs], rtol=1e-6)


def test_model_info_tells_what_is_served(server: Server, backend: WatchedBackend) -> None:
    """Device, sizes and identity decide what a timing is worth."""
    request = ModelInfoRequest(model_type="policy").SerializeToString()
    info = ModelInfoResponse.FromString(call(server.address, "GetModelInfo", request))
    assert (5, 7, 3, "cpu", "watched") == (
        info.input_size,
        info.hidden_size,
        info.output_size,
        info.device,
        info.framework,
    )
    assert ("first", backend.mlp.digest, False) == (info.model_name, info.model_digest, info.untrained)
    assert ("watched", "a processor", 3, 100) == (info.backend, info.device_name, info.threads, info.max_batch_size)
    assert (server.nonce, {"fast": "True"}) == (info.nonce, dict(info.facts))


@pytest.mark.parametrize(
    ("method", "message", "status", "words"),
    [
        pytest.param("Predict", predict_request([]), "INVALID_ARGUMENT", "no features, expected 5", id="no-features"),
        pytest.param("Predict", predict_request(GOOD[:4]), "INVALID_ARGUMENT", "4 features, expected 5", id="length"),
        pytest.param("BatchPredict", batch_request([]), "INVALID_ARGUMENT", "the batch is empty", id="empty-batch"),
        pytest.param(
            "BatchPredict",
            batch_request([GOOD, GOOD, GOOD[:3], GOOD]),
            "INVALID_ARGUMENT",
            "sample 2 has 3 features, expected 5",
            id="one-sample-short",
        ),
        pytest.param(
            "BatchPredict",
            batch_request([GOOD * 2, GOOD * 2]),
            "INVALID_ARGUMENT",
            "sample 0 has 10 features, expected 5",
            id="all-samples-long",
        ),
        pytest.param(
            "BatchPredict",
            batch_request([[], []]),
            "INVALID_ARGUMENT",
            "sample 0 has no features, expected 5",
            id="samples-without-features",
        ),
        pytest.param(
            "Predict",
            predict_request([*GOOD[:4], float("nan")]),
            "INVALID_ARGUMENT",
            "feature 4 of sample 0 is nan",
            id="nan",
        ),
        pytest.param(
            "BatchPredict",
            batch_request([GOOD, [float("-inf"), *GOOD[1:]]]),
            "INVALID_ARGUMENT",
            "feature 0 of sample 1 is -inf",
            id="infinity",
        ),
        pytest.param(
            "Predict",
            predict_request(GOOD, ""),
            "INVALID_ARGUMENT",
            "model_type is '', expected policy or value",
            id="type-empty",
        ),
        pytest.param(
            "GetModelInfo",
            ModelInfoRequest(model_type="x" * 9999).SerializeToString(),
            "INVALID_ARGUMENT",
            "…, expected policy or value",
            id="type-unknown",
        ),
        pytest.param(
            "BatchPredict",
            batch_request([GOOD], "value"),
            "NOT_FOUND",
            "no value model is loaded; loaded: 'first (policy), second (policy)'",
            id="type-not-loaded",
        ),
        pytest.param(
            "Predict",
            predict_request(GOOD, model_name="third"),
            "NOT_FOUND",
            "no policy model named 'third' is loaded",
            id="name-not-loaded",
        ),
        pytest.param(
            "BatchPredict",
            batch_request([GOOD] * 101),
            "RESOURCE_EXHAUSTED",
            "101 samples, the limit is 100",
            id="batch-over-limit",
        ),
        pytest.param(
            "BatchPredict", batch_request([GOOD] * 50_000), "RESOURCE_EXHAUSTED", "1048576", id="message-over-limit"
        ),
        pytest.param("Predict", b"\xff\xff\xff", "INTERNAL", "3 bytes are no neural.PredictRequest", id="no-protobuf"),
        pytest.param("BatchPredict", b"\x0a\x7f\x00", "INTERNAL", "no neural.BatchPredictRequest", id="cut-protobuf"),
        pytest.param("Predict", b"\x12\x02\xff\xfe", "INTERNAL", "no neural.PredictRequest", id="type-no-utf8"),
        pytest.param("Train", b"", "UNIMPLEMENTED", "", id="unknown-method"),
    ],
)
def test_bad_request_is_refused_with_found_and_expected(
    server: Server, backend: WatchedBackend, method: str, message: bytes, status: str, words: str
) -> None:
    """A client's author must see from the reply alone what to change; and the next client must not suffer."""
    found_status, found_words = refusal(server.address, method, message)
    assert status == found_status
    assert words in found_words
    assert [] == backend.batch_sizes
    assert ("OK", "") == refusal(server.address, "Predict", predict_request(GOOD))


def test_unexpected_error_shows_a_log_id_and_no_inner_text(
    server: Server, backend: WatchedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """Inner text may hold paths and data; the operator finds it in the log under the id that the user reports."""
    backend.failure = RuntimeError("secret of /home/somebody")
    with caplog.at_level(logging.ERROR):
        status, words = refusal(server.address, "Predict", predict_request(GOOD))
    assert "INTERNAL" == status
    assert "secret" not in words
    log_id = words.split()[-1]
    assert f"log id {log_id}" in caplog.text
    assert "secret of /home/somebody" in caplog.text


@pytest.mark.parametrize("ending", ["expired", "cancelled"])
def test_nothing_is_computed_for_a_call_that_nobody_waits_for(
    server: Server, backend: WatchedBackend, ending: str
) -> None:
    """A queue of abandoned calls would keep the service busy for nobody."""
    backend.may_go_on.clear()
    message = request_codec.encode_predict(np.array([GOOD], np.float32), "policy", "")
    with grpc.insecure_channel(server.address) as channel:
        method = channel.unary_unary("/neural.NeuralService/Predict", None, None)
        first = method.future(message, timeout=30)
        assert backend.entered.wait(10)
        abandoned = method.future(message, timeout=2 if ending == "expired" else 30)
        wait_until(lambda: len(backend.contexts) == 2)
        if ending == "cancelled":
            abandoned.cancel()  # type: ignore[no-untyped-call] # grpc's stubs leave it out
        wait_until(lambda: not backend.contexts[1].is_active())
        backend.may_go_on.set()
        first.result(10)
    server.stop(10).wait(10)
    assert [1] == backend.batch_sizes


def test_answer_that_is_not_finite_is_refused(server: Server, backend: WatchedBackend) -> None:
    """Finite features may overflow inside; a client would take the place of a NaN for the best move."""
    backend.answer = np.float32("nan")
    status, words = refusal(server.address, "Predict", predict_request(GOOD))
    assert status == "INVALID_ARGUMENT"
    assert "not finite" in words


@pytest.mark.parametrize(
    ("remaining_s", "active", "status"),
    [
        pytest.param(0.0, True, grpc.StatusCode.DEADLINE_EXCEEDED, id="expired"),
        pytest.param(None, False, grpc.StatusCode.CANCELLED, id="cancelled"),
    ],
)
def test_message_of_a_call_that_nobody_waits_for_is_not_even_decoded(
    remaining_s: float | None, active: bool, status: grpc.StatusCode
) -> None:
    """Decoding a large batch takes longer than refusing it, and other calls wait."""
    context = create_autospec(grpc.ServicerContext, instance=True)
    context.time_remaining.return_value, context.is_active.return_value = remaining_s, active
    context.abort.side_effect = RuntimeError
    method = Mock(return_value=b"")
    handler = calls.handlers("s", {"M": method}).service(Mock(method="/s/M"))
    assert handler is not None
    assert handler.unary_unary is not None
    with pytest.raises(RuntimeError):
        handler.unary_unary(b"message", context)
    assert status == context.abort.call_args.args[0]
    method.assert_not_called()


def test_long_names_are_not_remembered() -> None:
    """Requests of a few names are read again and again; a client with ever new ones must not fill the memory."""
    sample = request_codec.encode_predict(np.array([GOOD], np.float32), "", "")
    tracemalloc.start()
    try:
        for index in range(64):
            tail = PredictRequest(model_type="policy", model_name=f"{index} {'x' * 100_000}").SerializeToString()
            request_codec.decode_predict(sample + tail)
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept_bytes < 2_000_000
