"""Tests that the client reads every legal form of a ModelInfer response, and refuses invalid responses."""

from collections.abc import Callable

import numpy as np
import pytest

from runoff.backends.oip_backend import open_oip
from runoff.errors import ServiceError
from runoff.models.mlp import Float32Array
from runoff.rpc.oip.inference_pb2 import ModelInferResponse
from tests.support.models import random_mlp
from tests.support.oip import SERVICE_NAME, infer_response, model_metadata, server_methods
from tests.support.services import foreign_service

MLP = random_mlp()
ONES = np.ones((2, 5), np.float32)
EVEN = np.array([[0.25, 0.25, 0.5], [0.5, 0.25, 0.25]], np.float32)
NAN = float("nan")


def response_of(outputs: Float32Array = EVEN, *, typed: bool = False) -> ModelInferResponse:
    """Return a valid response with the output name `y`, which `model_metadata` announces."""
    response = infer_response(outputs, typed=typed)
    response.outputs[0].name = "y"
    return response


@pytest.mark.parametrize("typed", [False, True], ids=["raw", "typed"])
def test_response_is_read_raw_or_typed(typed: bool) -> None:
    """A server may send raw or typed outputs, regardless of the request's form, so the client must read both forms."""
    methods = server_methods(model_metadata(), response_of(typed=typed))
    with foreign_service(methods, SERVICE_NAME) as address, open_oip("x-oip", address, MLP, "net") as backend:
        np.testing.assert_array_equal(EVEN, backend.predict(ONES))


def changed(change: Callable[[ModelInferResponse], object], *, typed: bool = False) -> bytes:
    """Return a valid response after a change."""
    response = response_of(typed=typed)
    change(response)
    return response.SerializeToString()


def with_outputs(outputs: list[list[float]]) -> bytes:
    """Return a ModelInfer response whose raw contents are the given outputs."""
    return response_of(np.array(outputs, np.float32)).SerializeToString()


@pytest.mark.parametrize(
    ("response", "message_part"),
    [
        pytest.param(with_outputs([[0.5, 0.25, 0.25]]), "has the shape [1, 3], expected [2, 3]", id="too-few"),
        pytest.param(with_outputs([[0.5, 0.25, 0.25]] * 3), "has the shape [3, 3], expected [2, 3]", id="too-many"),
        pytest.param(with_outputs([[0.5, 0.5]] * 2), "has the shape [2, 2], expected [2, 3]", id="other-size"),
        pytest.param(with_outputs([[0.5, 0.5, 0.5]] * 2), "of sample 0 sum to 1.5, expected 1", id="sum"),
        pytest.param(with_outputs([[0, 0.5, 0.5], [NAN, 0.5, 0.5]]), "output 0 of sample 1 is nan", id="nan"),
        pytest.param(
            with_outputs([[-0.5, 0.5, 1]] * 2), "output 0 of sample 0 is -0.5, expected a prob", id="negative"
        ),
        pytest.param(changed(lambda r: setattr(r, "model_name", "b")), "model 'b', expected 'net'", id="model"),
        pytest.param(changed(lambda r: setattr(r.outputs[0], "name", "z")), "outputs ['z'], expected one", id="name"),
        pytest.param(changed(lambda r: r.outputs.append(r.outputs[0])), "outputs ['y', 'y'], expected one", id="two"),
        pytest.param(changed(lambda r: r.ClearField("outputs")), "outputs [], expected one named 'y'", id="none"),
        pytest.param(changed(lambda r: setattr(r.outputs[0], "datatype", "FP64")), "datatype 'FP64'", id="datatype"),
        pytest.param(
            changed(lambda r: r.outputs[0].contents.fp32_contents.append(1)), "both of raw", id="raw-and-typed"
        ),
        pytest.param(changed(lambda r: r.ClearField("raw_output_contents")), "neither of raw", id="neither"),
        pytest.param(
            changed(lambda r: r.raw_output_contents.append(b"")), "[24, 0] bytes, expected one of 24", id="raw"
        ),
        pytest.param(
            changed(lambda r: r.outputs[0].contents.fp32_contents.pop(), typed=True),
            "5 numbers in ['fp32_contents'], expected 6",
            id="typed-count",
        ),
        pytest.param(
            changed(lambda r: r.outputs[0].contents.fp64_contents.append(1), typed=True),
            "['fp32_contents', 'fp64_contents'], expected 6 in ['fp32_contents']",
            id="typed-of-another-datatype",
        ),
        pytest.param(b"\xff\xff", "not a valid inference.ModelInferResponse", id="no-protobuf"),
    ],
)
def test_response_that_breaks_the_protocol_is_refused(response: bytes, message_part: str) -> None:
    """Timings of wrong outputs are worthless, so the client must refuse them with an error that names the fault."""
    with (
        foreign_service(server_methods(model_metadata(), response), SERVICE_NAME) as address,
        open_oip("x-oip", address, MLP, "net") as backend,
        pytest.raises(ServiceError) as error,
    ):
        backend.predict(ONES)
    assert message_part in str(error.value)
    assert address in str(error.value)
