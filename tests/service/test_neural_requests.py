"""The service answers valid requests of the original protocol and refuses invalid ones with a reason."""

import logging
from collections.abc import Iterator

import numpy as np
import pytest

from runoff.models.mlp import Kind
from runoff.rpc.neural.neural_pb2 import (
    BatchPredictRequest,
    BatchPredictResponse,
    InputFeatures,
    ModelInfoRequest,
    ModelInfoResponse,
    PredictRequest,
    PredictResponse,
)
from runoff.service.server import Server
from tests.support.models import random_mlp
from tests.support.services import WatchedBackend, call, refusal, served

SAMPLE = [0.1, 0.2, 0.3, 0.4, 0.5]


@pytest.fixture
def server(backend: WatchedBackend) -> Iterator[Server]:
    """A service with two policies and no value network."""
    with served({"first": backend, "second": WatchedBackend(random_mlp(seed=1))}) as server:
        yield server


def predict_request(features: list[float], model_type: str = "policy", model_name: str = "") -> bytes:
    return PredictRequest(features=features, model_type=model_type, model_name=model_name).SerializeToString()


def batch_request(samples: list[list[float]], model_type: str = "policy") -> bytes:
    inputs = [InputFeatures(features=sample) for sample in samples]
    return BatchPredictRequest(inputs=inputs, model_type=model_type).SerializeToString()


def test_request_without_a_name_is_answered_by_the_first_model(server: Server, backend: WatchedBackend) -> None:
    """Clients of the original contract send no model name, so the first model must answer them."""
    response = PredictResponse.FromString(call(server.address, "Predict", predict_request(SAMPLE)))
    expected = backend.mlp.forward([SAMPLE])[0]
    np.testing.assert_allclose(expected, response.probabilities, rtol=1e-6)
    assert int(expected.argmax()) == response.best_move


def test_named_model_answers(server: Server) -> None:
    """A service can host several models of one kind, so the name must select the model."""
    response = PredictResponse.FromString(call(server.address, "Predict", predict_request(SAMPLE, model_name="second")))
    np.testing.assert_allclose(random_mlp(seed=1).forward([SAMPLE])[0], response.probabilities, rtol=1e-6)


def test_value_network_returns_a_value_and_no_probabilities() -> None:
    """For a value network, clients of the original contract read the field `value`, so it must be set."""
    mlp = random_mlp(Kind.VALUE)
    with served({"v": WatchedBackend(mlp)}) as server:
        response = BatchPredictResponse.FromString(
            call(server.address, "BatchPredict", batch_request([SAMPLE, SAMPLE], "value"))
        )
    assert [0, 0] == [len(output.probabilities) for output in response.outputs]
    np.testing.assert_allclose(
        mlp.forward([SAMPLE, SAMPLE])[:, 0], [output.value for output in response.outputs], rtol=1e-6
    )


def test_model_info_describes_model_and_backend(server: Server, backend: WatchedBackend) -> None:
    """To interpret a timing, readers need to know the device and the model's sizes and identity."""
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
    ("method", "message", "status", "message_part"),
    [
        pytest.param("Predict", predict_request([]), "INVALID_ARGUMENT", "no features, expected 5", id="no-features"),
        pytest.param("Predict", predict_request(SAMPLE[:4]), "INVALID_ARGUMENT", "4 features, expected 5", id="length"),
        pytest.param("BatchPredict", batch_request([]), "INVALID_ARGUMENT", "the batch is empty", id="empty-batch"),
        pytest.param(
            "BatchPredict",
            batch_request([SAMPLE, SAMPLE, SAMPLE[:3], SAMPLE]),
            "INVALID_ARGUMENT",
            "sample 2 has 3 features, expected 5",
            id="one-sample-short",
        ),
        pytest.param(
            "BatchPredict",
            batch_request([SAMPLE * 2, SAMPLE * 2]),
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
            predict_request([*SAMPLE[:4], float("nan")]),
            "INVALID_ARGUMENT",
            "feature 4 of sample 0 is nan",
            id="nan",
        ),
        pytest.param(
            "BatchPredict",
            batch_request([SAMPLE, [float("-inf"), *SAMPLE[1:]]]),
            "INVALID_ARGUMENT",
            "feature 0 of sample 1 is -inf",
            id="infinity",
        ),
        pytest.param(
            "Predict",
            predict_request(SAMPLE, ""),
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
            batch_request([SAMPLE], "value"),
            "NOT_FOUND",
            "no value model is loaded; loaded: 'first (policy), second (policy)'",
            id="type-not-loaded",
        ),
        pytest.param(
            "Predict",
            predict_request(SAMPLE, model_name="third"),
            "NOT_FOUND",
            "no policy model named 'third' is loaded",
            id="name-not-loaded",
        ),
        pytest.param(
            "BatchPredict",
            batch_request([SAMPLE] * 101),
            "RESOURCE_EXHAUSTED",
            "101 samples, the limit is 100",
            id="batch-over-limit",
        ),
        pytest.param(
            "BatchPredict", batch_request([SAMPLE] * 50_000), "RESOURCE_EXHAUSTED", "1048576", id="message-over-limit"
        ),
        pytest.param(
            "Predict", b"\xff\xff\xff", "INTERNAL", "3 bytes are not a valid neural.PredictRequest", id="no-protobuf"
        ),
        pytest.param(
            "BatchPredict", b"\x0a\x7f\x00", "INTERNAL", "not a valid neural.BatchPredictRequest", id="cut-protobuf"
        ),
        pytest.param(
            "Predict", b"\x12\x02\xff\xfe", "INTERNAL", "not a valid neural.PredictRequest", id="type-no-utf8"
        ),
        pytest.param("Train", b"", "UNIMPLEMENTED", "", id="unknown-method"),
    ],
)
def test_invalid_request_is_refused_with_the_reason(
    server: Server, backend: WatchedBackend, method: str, message: bytes, status: str, message_part: str
) -> None:
    """An invalid request must get an error that shows what to change, and the service must keep serving."""
    found_status, found_message = refusal(server.address, method, message)
    assert status == found_status
    assert message_part in found_message
    assert [] == backend.batch_sizes
    assert ("OK", "") == refusal(server.address, "Predict", predict_request(SAMPLE))


def test_unexpected_error_shows_only_the_id_of_a_log_entry(
    server: Server, backend: WatchedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception's text can contain private data, so it must appear only in the log. Clients get an id to search."""
    backend.failure = RuntimeError("secret of /home/somebody")
    with caplog.at_level(logging.ERROR):
        status, details = refusal(server.address, "Predict", predict_request(SAMPLE))
    assert "INTERNAL" == status
    assert "secret" not in details
    log_id = details.split()[-1]
    assert f"log id {log_id}" in caplog.text
    assert "secret of /home/somebody" in caplog.text


def test_outputs_that_are_not_finite_are_refused(server: Server, backend: WatchedBackend) -> None:
    """Even finite inputs can overflow inside the network. A client could mistake the resulting NaN for a score."""
    backend.answer = np.float32("nan")
    status, details = refusal(server.address, "Predict", predict_request(SAMPLE))
    assert status == "INVALID_ARGUMENT"
    assert "not finite" in details
