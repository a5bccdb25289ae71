"""What our client makes of Open Inference servers: models that it can use, and each kind of bad reply."""

from collections.abc import Callable

import grpc
import numpy as np
import pytest

from runoff.backends.oip_backend import OipBackend, open_oip
from runoff.errors import BackendUnavailable, OtherModelError, RunoffError, ServiceError, ShapeError
from runoff.models.mlp import Float32Array, Kind
from runoff.rpc.oip.inference_pb2 import ModelInferRequest, ModelInferResponse, ModelMetadataResponse
from tests.support.models import random_mlp
from tests.support.oip import SERVICE_NAME, infer_response, model_metadata, server_methods
from tests.support.services import foreign_service, free_port, listener

MLP, VALUE_MLP = random_mlp(), random_mlp(Kind.VALUE)
ONES = np.ones((2, 5), np.float32)
EVEN = np.array([[0.25, 0.25, 0.5], [0.5, 0.25, 0.25]], np.float32)
NAN = float("nan")


def reply_of(outputs: Float32Array = EVEN, *, typed: bool = False) -> ModelInferResponse:
    """Return a good reply with the output's name of `model_metadata`."""
    reply = infer_response(outputs, typed=typed)
    reply.outputs[0].name = "y"
    return reply


@pytest.mark.parametrize("typed", [False, True], ids=["raw", "typed"])
def test_reply_is_taken_raw_or_typed(typed: bool) -> None:
    """Triton answers raw even to typed requests, others typed even to raw ones."""
    methods = server_methods(model_metadata(), reply_of(typed=typed))
    with foreign_service(methods, SERVICE_NAME) as address, open_oip("x-oip", address, MLP, "net") as backend:
        np.testing.assert_array_equal(EVEN, backend.predict(ONES))


@pytest.mark.parametrize("shape", [(-1, 5), (-1, -1), (2, 5)], ids=["any-batch", "any-size", "this-batch"])
def test_request_has_the_names_and_the_shape_that_the_server_announced(shape: tuple[int, ...]) -> None:
    """Servers call their tensors as they like."""
    seen: list[bytes] = []

    def infer(request: bytes, _: object) -> bytes:
        seen.append(request)
        return reply_of().SerializeToString()

    methods = server_methods(model_metadata(shape), infer)
    with (
        foreign_service(methods, SERVICE_NAME) as address,
        open_oip("x-oip", address, MLP, "net", "4") as backend,
    ):
        backend.predict(ONES)
    request = ModelInferRequest.FromString(seen[0])
    [tensor] = request.inputs
    assert ("net", "4", "x", "FP32", [2, 5]) == (
        request.model_name,
        request.model_version,
        tensor.name,
        tensor.datatype,
        list(tensor.shape),
    )
    assert ["y"] == [output.name for output in request.outputs]
    assert [ONES.tobytes()] == list(request.raw_input_contents)


def test_model_without_a_batch_dimension_takes_one_sample() -> None:
    """A Triton model with max_batch_size 0 may be declared so."""
    seen: list[bytes] = []

    def infer(request: bytes, _: object) -> bytes:
        seen.append(request)
        return reply_of(EVEN[0]).SerializeToString()

    methods = server_methods(model_metadata((5,), (3,)), infer)
    with foreign_service(methods, SERVICE_NAME) as address, open_oip("x-oip", address, MLP, "net") as backend:
        np.testing.assert_array_equal(EVEN[:1], backend.predict(ONES[:1]))
        with pytest.raises(ShapeError, match="2 samples, the model takes 1 in one call"):
            backend.predict(ONES)
    assert [[5]] == [list(ModelInferRequest.FromString(request).inputs[0].shape) for request in seen]


def test_model_of_a_fixed_batch_size_says_which() -> None:
    """The server's own words for it are about tensors."""
    methods = server_methods(model_metadata((4, 5), (4, 3)))
    with (
        foreign_service(methods, SERVICE_NAME) as address,
        open_oip("x-oip", address, MLP, "net") as backend,
        pytest.raises(ShapeError, match="2 samples, the model takes 4 in one call"),
    ):
        backend.predict(ONES)


@pytest.mark.parametrize(("announced", "shape"), [((-1, 1), (2, 1)), ((-1,), (2,)), ((-1, 1), (2,))])
def test_values_may_come_without_a_dimension_of_their_own(announced: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Some frameworks squeeze a single output."""
    values = np.array([0.25, -0.5], np.float32).reshape(shape)
    methods = server_methods(model_metadata((-1, 5), announced), reply_of(values))
    with (
        foreign_service(methods, SERVICE_NAME) as address,
        open_oip("x-oip", address, VALUE_MLP, "net") as backend,
    ):
        assert [[0.25], [-0.5]] == backend.predict(ONES).tolist()


def test_output_named_output_is_taken_of_several() -> None:
    """A network with two heads is served as one model by some."""
    metadata = model_metadata()
    metadata.outputs.add(name="output", datatype="FP32", shape=(-1, 3))
    methods = server_methods(metadata, infer_response(EVEN))
    with foreign_service(methods, SERVICE_NAME) as address, open_oip("x-oip", address, MLP, "net") as backend:
        np.testing.assert_array_equal(EVEN, backend.predict(ONES))


def _metadata(change: Callable[[ModelMetadataResponse], object]) -> ModelMetadataResponse:
    metadata = model_metadata()
    change(metadata)
    return metadata


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        pytest.param(model_metadata((-1, 81)), "net with 81 inputs and 3 outputs, expected policy 5→7→3", id="input"),
        pytest.param(model_metadata((-1, 5), (-1, 9)), "5 inputs and 9 outputs, expected policy", id="output"),
        pytest.param(model_metadata(datatype="FP64"), "of 'x' is 'FP64', expected 'FP32'", id="datatype"),
        pytest.param(model_metadata((-1, 3, 9, 9)), "is [-1, 3, 9, 9], expected [batch size", id="dimensions"),
        pytest.param(model_metadata((-1, 0)), "is [-1, 0], expected", id="zero"),
        pytest.param(model_metadata(()), "is [], expected", id="scalar"),
        pytest.param(_metadata(lambda m: m.inputs.add(name="z")), "has 2 inputs, ['x', 'z']", id="two-inputs"),
        pytest.param(_metadata(lambda m: m.outputs.add(name="z")), "has 2 outputs, ['y', 'z']", id="two-outputs"),
        pytest.param(_metadata(lambda m: m.ClearField("inputs")), "announces no inputs", id="no-inputs"),
    ],
)
def test_model_that_cannot_be_the_one_in_process_is_refused(metadata: ModelMetadataResponse, words: str) -> None:
    """Before anything is timed, with what was found and what was expected."""
    with (
        foreign_service(server_methods(metadata), SERVICE_NAME) as address,
        pytest.raises(ServiceError) as error,
    ):
        open_oip("x-oip", address, MLP, "net")
    assert words in str(error.value)
    assert address in str(error.value)


def test_other_model_is_opened_in_its_own_sizes_when_allowed() -> None:
    """It is timed and labelled; its numbers need be no probabilities."""
    methods = server_methods(model_metadata((-1, 4), (-1, 2)), reply_of(np.array([[3, -1]], np.float32)))
    with (
        foreign_service(methods, SERVICE_NAME) as address,
        open_oip("x-oip", address, MLP, "net", allow_other_model=True) as backend,
    ):
        assert [[3, -1]] == backend.predict(np.zeros((1, 4), np.float32)).tolist()
        assert backend.facts["other_model"] is True


def test_record_says_what_the_server_says_and_guesses_no_device() -> None:
    """The protocol does not tell the device."""
    methods = server_methods(model_metadata())
    with foreign_service(methods, SERVICE_NAME) as address, open_oip("x-oip", address, MLP, "net") as backend:
        assert "unknown" == backend.device.type
        told = {key: backend.facts[key] for key in ("framework", "framework_version", "service_platform")}
        assert {"framework": "other", "framework_version": "7", "service_platform": "some_format"} == told


def _reply(change: Callable[[ModelInferResponse], object], *, typed: bool = False) -> bytes:
    reply = reply_of(typed=typed)
    change(reply)
    return reply.SerializeToString()


def _spoiled(outputs: list[list[float]]) -> bytes:
    return reply_of(np.array(outputs, np.float32)).SerializeToString()


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        pytest.param(_spoiled([[0.5, 0.25, 0.25]]), "has the shape [1, 3], expected [2, 3]", id="too-few"),
        pytest.param(_spoiled([[0.5, 0.25, 0.25]] * 3), "has the shape [3, 3], expected [2, 3]", id="too-many"),
        pytest.param(_spoiled([[0.5, 0.5]] * 2), "has the shape [2, 2], expected [2, 3]", id="other-size"),
        pytest.param(_spoiled([[0.5, 0.5, 0.5]] * 2), "of sample 0 sum to 1.5, expected 1", id="sum"),
        pytest.param(_spoiled([[0, 0.5, 0.5], [NAN, 0.5, 0.5]]), "output 0 of sample 1 is nan", id="nan"),
        pytest.param(_spoiled([[-0.5, 0.5, 1]] * 2), "output 0 of sample 0 is -0.5, expected a prob", id="negative"),
        pytest.param(_reply(lambda r: setattr(r, "model_name", "b")), "model 'b', expected 'net'", id="model"),
        pytest.param(_reply(lambda r: setattr(r.outputs[0], "name", "z")), "outputs ['z'], expected one", id="name"),
        pytest.param(_reply(lambda r: r.outputs.append(r.outputs[0])), "outputs ['y', 'y'], expected one", id="two"),
        pytest.param(_reply(lambda r: r.ClearField("outputs")), "outputs [], expected one named 'y'", id="none"),
        pytest.param(_reply(lambda r: setattr(r.outputs[0], "datatype", "FP64")), "datatype 'FP64'", id="datatype"),
        pytest.param(
            _reply(lambda r: r.outputs[0].contents.fp32_contents.append(1)), "both of raw", id="raw-and-typed"
        ),
        pytest.param(_reply(lambda r: r.ClearField("raw_output_contents")), "neither of raw", id="neither"),
        pytest.param(
            _reply(lambda r: r.raw_output_contents.append(b"")), "[24, 0] bytes, expected one of 24", id="raw"
        ),
        pytest.param(
            _reply(lambda r: r.outputs[0].contents.fp32_contents.pop(), typed=True),
            "5 numbers in ['fp32_contents'], expected 6",
            id="typed-count",
        ),
        pytest.param(
            _reply(lambda r: r.outputs[0].contents.fp64_contents.append(1), typed=True),
            "['fp32_contents', 'fp64_contents'], expected 6 in ['fp32_contents']",
            id="typed-of-another-datatype",
        ),
        pytest.param(b"\xff\xff", "no inference.ModelInferResponse", id="no-protobuf"),
    ],
)
def test_reply_that_breaks_the_contract_is_a_named_error(reply: bytes, words: str) -> None:
    """A timing of wrong answers is worth nothing, and an exception from NumPy tells nobody what was wrong."""
    with (
        foreign_service(server_methods(model_metadata(), reply), SERVICE_NAME) as address,
        open_oip("x-oip", address, MLP, "net") as backend,
        pytest.raises(ServiceError) as error,
    ):
        backend.predict(ONES)
    assert words in str(error.value)
    assert address in str(error.value)


def test_batch_whose_message_is_over_the_limit_is_refused_before_it_is_sent() -> None:
    """The server would refuse it too, after megabytes went over the wire."""
    with (
        foreign_service(server_methods(model_metadata((-1, 1000))), SERVICE_NAME) as address,
        open_oip("x-oip", address, random_mlp(input_size=1000), "net") as backend,
        pytest.raises(ShapeError, match=r"the limit is 33554432; about \d+ samples fit"),
    ):
        backend.predict(np.zeros((20_000, 1000), np.float32))


@pytest.mark.parametrize(
    ("answer", "error_type", "words"),
    [
        pytest.param(None, BackendUnavailable, "no response from .* within 0.5 s", id="silence"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", ServiceError, "another protocol", id="http1"),
    ],
)
def test_something_else_at_the_address(answer: bytes | None, error_type: type[RunoffError], words: str) -> None:
    """Triton's HTTP port is one number away."""
    with listener(answer) as address, pytest.raises(error_type, match=words):
        open_oip("x-oip", address, MLP, "net", timeout_s=0.5)


def test_nobody_at_the_address() -> None:
    """The usual mistake: the server was not started."""
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(BackendUnavailable, match=f"no gRPC server at {address}"):
        open_oip("x-oip", address, MLP, "net")


def test_another_grpc_service_at_the_address() -> None:
    """Say, one that speaks the original messages only."""
    with (
        foreign_service({}) as address,
        pytest.raises(ServiceError, match=r"a gRPC server without inference\.GRPCInferenceService"),
    ):
        open_oip("x-oip", address, MLP, "net")


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda backend, batch: backend.predict(batch), id="predict"),
        pytest.param(lambda backend, batch: backend.profile(batch, 1), id="profile"),
    ],
)
def test_model_that_did_not_load_is_told_from_a_server_that_is_not_there(
    call: Callable[[OipBackend, Float32Array], object],
) -> None:
    """Triton answers UNAVAILABLE for a model that it could not load, as gRPC does for an address with nobody."""

    def refuse(_request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.UNAVAILABLE, "Request for unknown model: 'net' is not found")

    with (
        foreign_service(server_methods(model_metadata(), refuse), SERVICE_NAME) as address,
        open_oip("x-oip", address, MLP, "net") as backend,
        pytest.raises(OtherModelError, match=f'{address} does not serve net: "Request for unknown model'),
    ):
        call(backend, np.ones((2, 5), np.float32))
