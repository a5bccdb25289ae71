"""
Reads and writes the header of a ModelInfer message, which is everything except the numbers in the tensors.

Headers hardly change from call to call, so parsed and serialized headers are cached.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from runoff.rpc.oip.inference_pb2 import ModelInferRequest, ModelInferResponse
from runoff.rpc.oip.names import DATATYPE

# A header usually takes about 60 bytes. Headers above LONGEST_KEPT_BYTES are not cached, so that no client can exhaust
# the memory by sending many long headers.
LONGEST_KEPT_BYTES, _HEADERS_KEPT = 4096, 256
# Read at most this many tensors per message, raw entries per message, dimensions per tensor and parameters per tensor.
# Legal messages have one tensor with two dimensions and few parameters, but a hostile one can have 100,000 of each.
MOST_READ = 16


@dataclass(frozen=True)
class Tensor:
    """
    The description of a tensor in a ModelInfer message: everything except its numbers.

    Attributes:
        name: As received.
        datatype: As received.
        shape: As received. The message may contain more or fewer numbers than this shape requires.
        typed: Names of the typed contents in the message, such as `fp32_contents`.
        parameters: Names of the tensor's parameters.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    typed: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Header:
    """
    A ModelInfer request or response without the numbers in its tensors.

    Attributes:
        model_name: As received.
        model_version: As received.
        id: As received.
        tensors: Inputs of a request, or outputs of a response.
        requested: Outputs that the client asks for in a request, each with its parameters.
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
    """Return a serialized ModelInferRequest that has one input, requests one output, and contains no numbers."""
    request = ModelInferRequest(model_name=model_name, model_version=model_version)
    request.inputs.add(name=input_name, datatype=DATATYPE, shape=shape)
    request.outputs.add(name=output_name)
    return request.SerializeToString()


@lru_cache(_HEADERS_KEPT)
def write_response_header(model_name: str, version: str, id_: str, output_name: str, shape: tuple[int, ...]) -> bytes:
    """Return a serialized ModelInferResponse that has one output and contains no numbers."""
    response = ModelInferResponse(model_name=model_name, model_version=version, id=id_)
    response.outputs.add(name=output_name, datatype=DATATYPE, shape=shape)
    return response.SerializeToString()


@lru_cache(_HEADERS_KEPT)
def read_request_header(header: bytes) -> Header:
    """Parse and cache the header of a ModelInferRequest, which must not exceed LONGEST_KEPT_BYTES."""
    return read(ModelInferRequest.FromString(header))


@lru_cache(_HEADERS_KEPT)
def read_response_header(header: bytes) -> Header:
    """Parse and cache the header of a ModelInferResponse, which must not exceed LONGEST_KEPT_BYTES."""
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
