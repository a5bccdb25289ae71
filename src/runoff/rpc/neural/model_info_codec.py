"""Reads the ModelInfoResponse message of `neural.NeuralService`."""

from runoff.errors import ServiceError
from runoff.rpc.descriptors import parse_response
from runoff.rpc.model_info import ModelInfo
from runoff.rpc.neural.neural_pb2 import ModelInfoResponse


def read_model_info(message: bytes) -> ModelInfo:
    """
    Read a serialized ModelInfoResponse.

    Raises:
        ServiceError: If the bytes are not a valid ModelInfoResponse, or if one of the model's sizes is below 1.
    """
    response = parse_response(ModelInfoResponse, message)
    fields = {name: getattr(response, name) for name in ModelInfo.__dataclass_fields__}
    info = ModelInfo(**fields | {"facts": dict(response.facts), "versions": dict(response.versions)})
    if min(info.sizes) < 1:
        raise ServiceError(f"announces a model of sizes {info.sizes}, expected all at least 1")
    return info
