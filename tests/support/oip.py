"""Open Inference Protocol messages that are made without runoff's codec, and calls that bypass runoff's client."""

from collections.abc import Callable
from functools import partial

import grpc
import numpy as np

from runoff.models.mlp import Float32Array
from runoff.rpc.oip.inference_pb2 import (
    ModelInferRequest,
    ModelInferResponse,
    ModelMetadataResponse,
    ServerMetadataResponse,
)
from tests.support import services

# A method of a fake third-party server: either a fixed response, or a function that makes a request's response.
Method = bytes | Callable[[bytes, grpc.ServicerContext], bytes]
SERVICE_NAME = "inference.GRPCInferenceService"


def infer_request(batch: Float32Array, model_name: str = "first", *, typed: bool = False) -> ModelInferRequest:
    """Return a valid request with a raw or typed tensor. Tests can change the request before they serialize it."""
    request = ModelInferRequest(model_name=model_name)
    tensor = request.inputs.add(name="input", datatype="FP32", shape=batch.shape)
    if typed:
        tensor.contents.fp32_contents.extend(batch.ravel().tolist())
    else:
        request.raw_input_contents.append(batch.astype("<f4").tobytes())
    return request


def infer_response(outputs: Float32Array, model_name: str = "net", *, typed: bool = False) -> ModelInferResponse:
    """Return a valid response with a raw or typed tensor. Tests can change the response before they serialize it."""
    response = ModelInferResponse(model_name=model_name, model_version="1")
    tensor = response.outputs.add(name="output", datatype="FP32", shape=outputs.shape)
    if typed:
        tensor.contents.fp32_contents.extend(outputs.ravel().tolist())
    else:
        response.raw_output_contents.append(outputs.astype("<f4").tobytes())
    return response


def numbers(message: bytes) -> Float32Array:
    """Return the outputs that a serialized response contains in raw or typed form."""
    response = ModelInferResponse.FromString(message)
    [tensor] = response.outputs
    raw = response.raw_output_contents
    found = np.frombuffer(raw[0], "<f4") if raw else np.array(tensor.contents.fp32_contents, np.float32)
    return found.reshape(tuple(tensor.shape))


def model_metadata(
    input_shape: tuple[int, ...] = (-1, 5), output_shape: tuple[int, ...] = (-1, 3), datatype: str = "FP32"
) -> ModelMetadataResponse:
    """Return the metadata of a model with one input and one output, as a server sends them."""
    metadata = ModelMetadataResponse(name="net", versions=["1"], platform="some_format")
    metadata.inputs.add(name="x", datatype=datatype, shape=input_shape)
    metadata.outputs.add(name="y", datatype=datatype, shape=output_shape)
    return metadata


def server_methods(metadata: ModelMetadataResponse, response: ModelInferResponse | Method = b"") -> dict[str, Method]:
    """Return the methods of a fake third-party server, which `foreign_service` can run."""
    return {
        "ServerMetadata": ServerMetadataResponse(name="other", version="7").SerializeToString(),
        "ModelMetadata": metadata.SerializeToString(),
        "ModelInfer": response.SerializeToString() if isinstance(response, ModelInferResponse) else response,
    }


call = partial(services.call, service=SERVICE_NAME)
refusal = partial(services.refusal, service=SERVICE_NAME)
