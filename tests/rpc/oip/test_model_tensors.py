"""Tests that the client uses the tensor names and shapes that a server announces, and refuses a different model."""

from collections.abc import Callable

import numpy as np
import pytest

from runoff.backends.oip_backend import open_oip
from runoff.errors import ServiceError, ShapeError
from runoff.models.mlp import Float32Array, Kind
from runoff.rpc.oip.inference_pb2 import ModelInferRequest, ModelInferResponse, ModelMetadataResponse
from tests.support.models import random_mlp
from tests.support.oip import SERVICE_NAME, infer_response, model_metadata, server_methods
from tests.support.services import foreign_service

MLP, VALUE_MLP = random_mlp(), random_mlp(Kind.VALUE)
ONES = np.ones((2, 5), np.float32)
EVEN = np.array([[0.25, 0.25, 0.5], [0.5, 0.25, 0.25]], np.float32)


def named_response(outputs: Float32Array) -> ModelInferResponse:
    """Return a valid response with the output name `y`, which `model_metadata` announces."""
    response = infer_response(outputs)
    response.outputs[0].name = "y"
    return response


@pytest.mark.parametrize("shape", [(-1, 5), (-1, -1), (2, 5)], ids=["any-batch", "any-size", "this-batch"])
def test_request_has_the_names_and_shape_that_the_server_announces(shape: tuple[int, ...]) -> None:
    """Tensor names and allowed batch sizes differ between servers, so requests must match the server's metadata."""
    seen: list[bytes] = []

    def infer(request: bytes, _: object) -> bytes:
        seen.append(request)
        return named_response(EVEN).SerializeToString()

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


def test_model_without_a_batch_dimension_accepts_one_sample() -> None:
    """A Triton model can lack a batch dimension, so the client must send single samples and refuse larger batches."""
    seen: list[bytes] = []

    def infer(request: bytes, _: object) -> bytes:
        seen.append(request)
        return named_response(EVEN[0]).SerializeToString()

    methods = server_methods(model_metadata((5,), (3,)), infer)
    with foreign_service(methods, SERVICE_NAME) as address, open_oip("x-oip", address, MLP, "net") as backend:
        np.testing.assert_array_equal(EVEN[:1], backend.predict(ONES[:1]))
        with pytest.raises(ShapeError, match="2 samples, the model takes 1 in one call"):
            backend.predict(ONES)
    assert [[5]] == [list(ModelInferRequest.FromString(request).inputs[0].shape) for request in seen]


def test_error_names_the_fixed_batch_size_of_a_model() -> None:
    """The server's error would mention only tensor dimensions, so the client's own error must name the batch size."""
    methods = server_methods(model_metadata((4, 5), (4, 3)))
    with (
        foreign_service(methods, SERVICE_NAME) as address,
        open_oip("x-oip", address, MLP, "net") as backend,
        pytest.raises(ShapeError, match="2 samples, the model takes 4 in one call"),
    ):
        backend.predict(ONES)


@pytest.mark.parametrize(("announced", "shape"), [((-1, 1), (2, 1)), ((-1,), (2,)), ((-1, 1), (2,))])
def test_values_are_read_without_an_output_dimension(announced: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Some frameworks return the shape [batch_size] instead of [batch_size, 1], so the client must accept both."""
    values = np.array([0.25, -0.5], np.float32).reshape(shape)
    methods = server_methods(model_metadata((-1, 5), announced), named_response(values))
    with (
        foreign_service(methods, SERVICE_NAME) as address,
        open_oip("x-oip", address, VALUE_MLP, "net") as backend,
    ):
        assert [[0.25], [-0.5]] == backend.predict(ONES).tolist()


def test_output_named_output_is_chosen_from_several() -> None:
    """A network with a policy head and a value head has two outputs, so the client must pick the one named `output`."""
    metadata = model_metadata()
    metadata.outputs.add(name="output", datatype="FP32", shape=(-1, 3))
    methods = server_methods(metadata, infer_response(EVEN))
    with foreign_service(methods, SERVICE_NAME) as address, open_oip("x-oip", address, MLP, "net") as backend:
        np.testing.assert_array_equal(EVEN, backend.predict(ONES))


def changed(change: Callable[[ModelMetadataResponse], object]) -> ModelMetadataResponse:
    """Return valid metadata after a change."""
    metadata = model_metadata()
    change(metadata)
    return metadata


@pytest.mark.parametrize(
    ("metadata", "message_part"),
    [
        pytest.param(model_metadata((-1, 81)), "net with 81 inputs and 3 outputs, expected policy 5→7→3", id="input"),
        pytest.param(model_metadata((-1, 5), (-1, 9)), "5 inputs and 9 outputs, expected policy", id="output"),
        pytest.param(model_metadata(datatype="FP64"), "of 'x' is 'FP64', expected 'FP32'", id="datatype"),
        pytest.param(model_metadata((-1, 3, 9, 9)), "is [-1, 3, 9, 9], expected [batch size", id="dimensions"),
        pytest.param(model_metadata((-1, 0)), "is [-1, 0], expected", id="zero"),
        pytest.param(model_metadata(()), "is [], expected", id="scalar"),
        pytest.param(changed(lambda m: m.inputs.add(name="z")), "has 2 inputs, ['x', 'z']", id="two-inputs"),
        pytest.param(changed(lambda m: m.outputs.add(name="z")), "has 2 outputs, ['y', 'z']", id="two-outputs"),
        pytest.param(changed(lambda m: m.ClearField("inputs")), "announces no inputs", id="no-inputs"),
    ],
)
def test_model_that_differs_from_the_one_in_process_is_refused(
    metadata: ModelMetadataResponse, message_part: str
) -> None:
    """Timings of a different network must not be recorded, so the client must refuse it and name the difference."""
    with (
        foreign_service(server_methods(metadata), SERVICE_NAME) as address,
        pytest.raises(ServiceError) as error,
    ):
        open_oip("x-oip", address, MLP, "net")
    assert message_part in str(error.value)
    assert address in str(error.value)


def test_allowed_other_model_is_opened_with_its_own_sizes() -> None:
    """With --allow-other-model, users can time a model of any sizes, whose outputs need not be probabilities."""
    methods = server_methods(model_metadata((-1, 4), (-1, 2)), named_response(np.array([[3, -1]], np.float32)))
    with (
        foreign_service(methods, SERVICE_NAME) as address,
        open_oip("x-oip", address, MLP, "net", allow_other_model=True) as backend,
    ):
        assert [[3, -1]] == backend.predict(np.zeros((1, 4), np.float32)).tolist()
        assert backend.facts["other_model"] is True


def test_facts_about_a_foreign_server_contain_no_device() -> None:
    """The protocol has no field for the device, and runoff must not guess: a wrong guess would mislabel the timings."""
    methods = server_methods(model_metadata())
    with foreign_service(methods, SERVICE_NAME) as address, open_oip("x-oip", address, MLP, "net") as backend:
        assert "unknown" == backend.device.type
        found = {key: backend.facts[key] for key in ("framework", "framework_version", "service_platform")}
        assert {"framework": "other", "framework_version": "7", "service_platform": "some_format"} == found
