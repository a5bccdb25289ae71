"""Reads the ModelInfoResponse message of `neural.NeuralService`."""

from google.protobuf.message import DecodeError

from runoff.errors import ServiceError
from runoff.rpc.model_info import ModelInfo
from runoff.rpc.neural.neural_pb2 import ModelInfoResponse


def read_model_info(message: bytes, address: str) -> ModelInfo:
    """
    Read a service's description of a model.

    Args:
        message: A serialized ModelInfoResponse.
        address: Address of the service, for error messages.

    Returns:
        The description.

    Raises:
        ServiceError: If the bytes are no ModelInfoResponse, or one of its three sizes is below 1.
    """
    try:
        response = ModelInfoResponse.FromString(message)
    except DecodeError as error:
        raise ServiceError(f"{address}: the response is no neural.ModelInfoResponse: {error}") from None
    fields = {name: getattr(response, name) for name in ModelInfo.__dataclass_fields__}
    info = ModelInfo(**fields | {"facts": dict(response.facts), "versions": dict(response.versions)})
    if min(info.sizes) < 1:
        raise ServiceError(f"{address}: announces a model of sizes {info.sizes}, expected all at least 1")
    return info
