"""Tests how the client of the original protocol handles unusual and invalid responses from a real server."""

import re

import numpy as np
import pytest

from runoff.backends.grpc_backend import open_grpc
from runoff.errors import OtherModelError, ParityError, ServiceError, ShapeError
from runoff.models import accuracy
from runoff.models.mlp import Float32Array, Kind
from runoff.rpc.neural import response_codec
from runoff.rpc.neural.client import NeuralClient
from runoff.rpc.neural.neural_pb2 import BatchPredictResponse, ModelInfoResponse, PredictResponse
from tests.support.models import random_mlp
from tests.support.services import WatchedBackend, foreign_info, foreign_service, served

MLP = random_mlp()
VALUE_MLP = random_mlp(Kind.VALUE)
EVEN = PredictResponse(probabilities=[0.5, 0.25, 0.25])
NAN, INFINITY = float("nan"), float("inf")


def batch_response(*outputs: PredictResponse) -> bytes:
    return BatchPredictResponse(outputs=outputs).SerializeToString()


def ones(batch_size: int) -> Float32Array:
    return np.ones((batch_size, MLP.input_size), np.float32)


@pytest.mark.parametrize(
    ("response", "message"),
    [
        pytest.param(batch_response(EVEN), "1 outputs, expected 2", id="fewer"),
        pytest.param(batch_response(), "0 outputs, expected 2", id="none"),
        pytest.param(batch_response(EVEN, EVEN, EVEN), "3 outputs, expected 2", id="more"),
        pytest.param(
            batch_response(EVEN, PredictResponse(probabilities=[1, 0, 0], value=0.5)),
            "sample 1 has both of probabilities and value",
            id="both",
        ),
        pytest.param(
            batch_response(EVEN, PredictResponse()), "sample 1 has neither of probabilities and value", id="neither"
        ),
        pytest.param(
            batch_response(PredictResponse(value=0.5), PredictResponse(value=0.5)),
            "sample 0 has a value, but the request was for a policy",
            id="value-for-policy",
        ),
        pytest.param(
            batch_response(EVEN, PredictResponse(probabilities=[0.5, NAN, 0.5])),
            "output 1 of sample 1 is nan, expected a finite number",
            id="nan",
        ),
        pytest.param(
            batch_response(EVEN, PredictResponse(probabilities=[INFINITY, 0, 0])), "is inf, expected a finite", id="inf"
        ),
        pytest.param(
            batch_response(EVEN, PredictResponse(probabilities=[0.5, 0.3, 0.3])),
            "probabilities of sample 1 sum to 1.1, expected 1",
            id="sum",
        ),
        pytest.param(
            batch_response(EVEN, PredictResponse(probabilities=[1.5, -0.25, -0.25])),
            "output 1 of sample 1 is -0.25, expected a probability",
            id="negative",
        ),
        pytest.param(
            batch_response(PredictResponse(probabilities=[0.5, 0.5]), PredictResponse(probabilities=[0.5, 0.5])),
            "2 numbers for each sample, expected 3, as announced",
            id="other-size",
        ),
        pytest.param(
            batch_response(EVEN, PredictResponse(probabilities=[0.5, 0.5])),
            "sample 1 has 2 probabilities, sample 0 has 3",
            id="ragged",
        ),
        pytest.param(b"\xff\xff", "not a valid neural.BatchPredictResponse", id="no-protobuf"),
    ],
)
def test_response_that_breaks_the_contract_is_a_service_error(response: bytes, message: str) -> None:
    """Timings of wrong outputs are worthless, so the client must refuse them with an error that names the fault."""
    with (
        foreign_service({"GetModelInfo": foreign_info(MLP), "BatchPredict": response}) as address,
        open_grpc("x-grpc", address, MLP) as backend,
        pytest.raises(ServiceError) as error,
    ):
        backend.predict(ones(2))
    assert message in str(error.value)
    assert address in str(error.value)


@pytest.mark.parametrize(
    ("response", "message"),
    [
        pytest.param(
            PredictResponse(probabilities=[1.0]),
            "has probabilities, but the request was for a value",
            id="policy-for-value",
        ),
        pytest.param(PredictResponse(value=NAN), "output 0 of sample 0 is nan, expected a finite number", id="nan"),
        pytest.param(PredictResponse(value=1, probabilities=[1.0]), "both of probabilities and value", id="both"),
    ],
)
def test_bad_response_to_one_sample_is_a_service_error(response: PredictResponse, message: str) -> None:
    """For one sample, the client calls Predict instead of BatchPredict, so it must check a PredictResponse as well."""
    methods = {"GetModelInfo": foreign_info(VALUE_MLP), "Predict": response.SerializeToString()}
    with (
        foreign_service(dict(methods)) as address,
        open_grpc("x-grpc", address, VALUE_MLP) as backend,
        pytest.raises(ServiceError, match=message),
    ):
        backend.predict(ones(1))


def test_missing_value_is_read_as_zero() -> None:
    """A tanh head can return exactly 0.0, which proto3 services omit, so the client must accept a missing value."""
    methods = {
        "GetModelInfo": foreign_info(VALUE_MLP),
        "Predict": PredictResponse(value=0.0).SerializeToString(),
        "BatchPredict": batch_response(PredictResponse(value=0.5), PredictResponse(value=0.0)),
    }
    with foreign_service(dict(methods)) as address, open_grpc("x-grpc", address, VALUE_MLP) as backend:
        assert [[0.0]] == backend.predict(ones(1)).tolist()
        assert [[0.5], [0.0]] == backend.predict(ones(2)).tolist()


def test_accuracy_check_notices_a_service_that_never_sends_a_value() -> None:
    """The client reads a missing value as 0.0, so the accuracy check must notice that nothing was computed."""
    methods = {"GetModelInfo": foreign_info(VALUE_MLP), "Predict": b""}
    with foreign_service(dict(methods)) as address, open_grpc("x-grpc", address, VALUE_MLP) as backend:
        outputs = backend.predict(ones(1))
        with pytest.raises(ParityError):
            accuracy.check("x-grpc", VALUE_MLP, ones(1), outputs)


def test_missing_probabilities_are_a_service_error() -> None:
    """A policy has at least one probability, so an empty response shows that the service computed nothing."""
    methods = {"GetModelInfo": foreign_info(MLP), "Predict": b""}
    with (
        foreign_service(dict(methods)) as address,
        open_grpc("x-grpc", address, MLP) as backend,
        pytest.raises(ServiceError, match="sample 0 has neither of probabilities and value"),
    ):
        backend.predict(ones(1))


def test_negative_value_of_a_foreign_service_is_accepted() -> None:
    """A third-party service's tanh head can return negative values, so the client must not require values above 0."""
    methods = {"GetModelInfo": foreign_info(VALUE_MLP), "Predict": PredictResponse(value=-0.75).SerializeToString()}
    with foreign_service(dict(methods)) as address, open_grpc("x-grpc", address, VALUE_MLP) as backend:
        assert [[-0.75]] == backend.predict(ones(1)).tolist()


def test_model_of_other_sizes_is_refused_with_both_descriptions() -> None:
    """The original service always runs a 64→128→8 network, so the error must state both networks' sizes."""
    with (
        foreign_service({"GetModelInfo": foreign_info(MLP, (64, 128, 8))}) as address,
        pytest.raises(OtherModelError, match="sizes 64→128→8, expected policy 5→7→3"),
    ):
        open_grpc("x-grpc", address, MLP)


def test_other_model_is_opened_in_its_own_sizes_when_allowed() -> None:
    """With `allow_other_model`, users can time the original service although its network has different sizes."""
    response = response_codec.encode_predict(np.full((1, 8), 0.125, np.float32), Kind.POLICY)
    methods = {"GetModelInfo": foreign_info(MLP, (64, 128, 8)), "Predict": response}
    with (
        foreign_service(dict(methods)) as address,
        open_grpc("x-grpc", address, MLP, allow_other_model=True) as backend,
    ):
        assert (1, 8) == backend.predict(np.zeros((1, 64), np.float32)).shape
        with pytest.raises(ShapeError):
            backend.predict(ones(1))


def test_same_sizes_with_other_weights_are_refused() -> None:
    """Networks from two trainings have the same sizes, so the client must compare the digests of their weights."""
    other = random_mlp(seed=1)
    message = f"with other weights: digest '{other.digest[:16]}'…, expected '{MLP.digest[:16]}'…"
    with (
        served({"m": WatchedBackend(other)}) as server,
        pytest.raises(OtherModelError, match=f"{re.escape(message)}$"),
    ):
        open_grpc("x-grpc", server.address, MLP)


def test_no_name_is_sent_to_a_service_that_does_not_echo_it() -> None:
    """A strict third-party service may refuse unknown fields, so the client must not send it the field model_name."""
    seen: list[bytes] = []

    def predict(request: bytes, _: object) -> bytes:
        seen.append(request)
        return EVEN.SerializeToString()

    with (
        foreign_service({"GetModelInfo": foreign_info(MLP), "Predict": predict}) as address,
        open_grpc("x-grpc", address, MLP, "some_name") as backend,
    ):
        backend.predict(ones(1))
    assert [False] == [b"some_name" in request for request in seen]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [pytest.param((0, 7, 3), "sizes \\(0, 7, 3\\)", id="zero"), pytest.param((-5, 7, 3), "sizes", id="negative")],
)
def test_announced_sizes_below_one_are_a_service_error(sizes: tuple[int, int, int], message: str) -> None:
    """A service that lacks the model may send an empty ModelInfoResponse, whose sizes of 0 must be refused."""
    with (
        foreign_service({"GetModelInfo": foreign_info(MLP, sizes)}) as address,
        NeuralClient(address) as client,
        pytest.raises(ServiceError, match=message),
    ):
        client.model_info(Kind.POLICY)


@pytest.mark.parametrize(
    ("device", "type_"),
    [("cpu", "cpu"), ("gpu", "gpu"), ("metal", "gpu"), ("GPU", "gpu"), ("", "unknown"), ("tpu", "unknown")],
)
def test_device_is_the_one_that_the_service_reports(device: str, type_: str) -> None:
    """runoff must never guess a device, because a wrong guess would mislabel the timings in the record."""
    info = ModelInfoResponse.FromString(foreign_info(MLP))
    info.device = device
    with (
        foreign_service({"GetModelInfo": info.SerializeToString()}) as address,
        open_grpc("x-grpc", address, MLP) as backend,
    ):
        assert type_ == backend.device.type


def test_batch_over_the_limit_is_refused_before_it_is_sent() -> None:
    """The service would also refuse the batch, but only after receiving megabytes, so the client must not send it."""
    with NeuralClient("127.0.0.1:1") as client, pytest.raises(ShapeError, match="65537 samples, the limit"):
        client.predict(np.zeros((65_537, 1), np.float32), Kind.POLICY)
