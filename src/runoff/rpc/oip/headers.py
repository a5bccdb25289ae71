"""
Reads and writes the header of a ModelInfer message, which is everything except the numbers.

Headers hardly change from call to call, so each different one is parsed and written once, and then cached.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from runoff.rpc.oip.contract import DATATYPE
from runoff.rpc.oip.inference_pb2 import ModelInferRequest, ModelInferResponse

# A header takes about 60 bytes. Headers above LONGEST_KEPT_BYTES are not cached, so that no client can fill the memory
# with them.
LONGEST_KEPT_BYTES, _HEADERS_KEPT = 4096, 256
# Most tensors and raw entries that are read from a message, and most dimensions and parameters of each tensor. Legal
# messages have one tensor of two dimensions and few parameters; a hostile message can have 100,000 of each.
MOST_READ = 16


@dataclass(frozen=True)
class Tensor:
    """
    The description of a tensor in a message.

    Attributes:
        name: As received.
        datatype: As received.
        shape: As received; the numbers may be more or fewer.
        typed: Names of the typed contents that are present, such as `fp32_contents`.
        parameters: The names of its parameters.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    typed: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Header:
    """
    A ModelInfer request or response without its numbers.

    Attributes:
        model_name: As received.
        model_version: As received.
        id: As received.
        tensors: Inputs of a request, or outputs of a response.
        requested: Outputs that a request names, each with its parameters.
    """

    model_name: str
    model_version: str
    id: str
    tensors: tuple[Tensor, ...]
    requested: tuple[Tensor, ...] = ()


@lru_cache(_HEADERS_KEPT)
def write_request_header(
    model_name: str, model_version: str, input_name: str, output_name: str, shape: tuple[int, ...]
) -> bytes:
    """Return a serialized ModelInferRequest without numbers, which has one input and requests one output."""
    request = ModelInferRequest(model_name=model_name, model_version=model_version)
    request.inputs.add(name=input_name, datatype=DATATYPE, shape=shape)
    request.outputs.add(name=output_name)
    return request.SerializeToString()


@lru_cache(_HEADERS_KEPT)
def write_response_header(model_name: str, version: str, id_: str, output_name: str, shape: tuple[int, ...]) -> bytes:
    """Return a serialized ModelInferResponse with one output, without numbers."""
    response = ModelInferResponse(model_name=model_name, model_version=version, id=id_)
    response.outputs.add(name=output_name, datatype=DATATYPE, shape=shape)
    return response.SerializeToString()


@lru_cache(_HEADERS_KEPT)
def read_request_header(header: bytes) -> Header:
    """Read a serialized ModelInferRequest of at most LONGEST_KEPT_BYTES."""
    return read(ModelInferRequest.FromString(header))


@lru_cache(_HEADERS_KEPT)
def read_response_header(header: bytes) -> Header:
    """Read a serialized ModelInferResponse of at most LONGEST_KEPT_BYTES."""
    return read(ModelInferResponse.FromString(header))


def read(message: ModelInferRequest | ModelInferResponse) -> Header:
    """Return the header of a parsed request or response."""
    if isinstance(message, ModelInferResponse):
        tensors = tuple(map(_read_tensor, islice(message.outputs, MOST_READ)))
        return Header(message.model_name, message.model_version, message.id, tensors)
    tensors = tuple(map(_read_tensor, islice(message.inputs, MOST_READ)))
    requested = tuple(
        Tensor(output.name, "", (), parameters=tuple(islice(output.parameters, MOST_READ)))
        for output in islice(message.outputs, MOST_READ)
    )
    return Header(message.model_name, message.model_version, message.id, tensors, requested)


def _read_tensor(tensor: ModelInferRequest.InferInputTensor | ModelInferResponse.InferOutputTensor) -> Tensor:
    """Return a parsed tensor's description."""
    typed = tuple(field.name for field, _ in tensor.contents.ListFields())
    shape, parameters = tuple(tensor.shape[:MOST_READ]), tuple(islice(tensor.parameters, MOST_READ))
    return Tensor(tensor.name, tensor.datatype, shape, typed, parameters)
