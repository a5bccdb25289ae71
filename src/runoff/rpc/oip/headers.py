"""The header of a ModelInfer message, which is all of it but the numbers: parsed and written once, then remembered."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from runoff.rpc.oip.contract import DATATYPE
from runoff.rpc.oip.inference_pb2 import ModelInferRequest, ModelInferResponse

# Headers have some 60 bytes. Longer ones are made and parsed each time, so nobody fills the memory with them.
LONGEST_KEPT_BYTES, _HEADERS_KEPT = 512, 256
# Tensors, and dimensions and parameters of each. One, two and none are legal; a hostile message holds 100,000.
_MOST_SHOWN = 16


@dataclass(frozen=True)
class Tensor:
    """
    What a message says about a tensor.

    Attributes:
        name: As sent.
        datatype: As sent.
        shape: As sent; nothing says that it is that of the numbers.
        typed: Which typed contents it has: `fp32_contents`, ...
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
    A request or a reply without its numbers.

    Attributes:
        model_name: As sent.
        model_version: As sent.
        id: As sent.
        tensors: Inputs of a request, outputs of a reply.
        requested: Outputs that a request asks for, each with a name and parameters.
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
    """Return a serialized ModelInferRequest of one input and one output asked for, without numbers."""
    request = ModelInferRequest(model_name=model_name, model_version=model_version)
    request.inputs.add(name=input_name, datatype=DATATYPE, shape=shape)
    request.outputs.add(name=output_name)
    return request.SerializeToString()


def write_reply_header(model_name: str, version: str, id_: str, output_name: str, shape: tuple[int, ...]) -> bytes:
    """Return a serialized ModelInferResponse of one output, without numbers."""
    # The id is the client's, so it may have any length.
    write = _write_reply_header if len(id_) < LONGEST_KEPT_BYTES else _write_reply_header.__wrapped__
    return write(model_name, version, id_, output_name, shape)


@lru_cache(_HEADERS_KEPT)
def read_request_header(header: bytes) -> Header:
    """Read a serialized ModelInferRequest of at most LONGEST_KEPT_BYTES."""
    return request_facts(ModelInferRequest.FromString(header))


@lru_cache(_HEADERS_KEPT)
def read_reply_header(header: bytes) -> Header:
    """Read a serialized ModelInferResponse of at most LONGEST_KEPT_BYTES."""
    return reply_facts(ModelInferResponse.FromString(header))


def request_facts(request: ModelInferRequest) -> Header:
    """Return the header of a parsed request."""
    requested = tuple(
        Tensor(output.name, "", (), parameters=tuple(islice(output.parameters, _MOST_SHOWN)))
        for output in islice(request.outputs, _MOST_SHOWN)
    )
    tensors = tuple(map(_tensor_facts, islice(request.inputs, _MOST_SHOWN)))
    return Header(request.model_name, request.model_version, request.id, tensors, requested)


def reply_facts(reply: ModelInferResponse) -> Header:
    """Return the header of a parsed reply."""
    return Header(
        reply.model_name, reply.model_version, reply.id, tuple(map(_tensor_facts, islice(reply.outputs, _MOST_SHOWN)))
    )


@lru_cache(_HEADERS_KEPT)
def _write_reply_header(model_name: str, version: str, id_: str, output_name: str, shape: tuple[int, ...]) -> bytes:
    reply = ModelInferResponse(model_name=model_name, model_version=version, id=id_)
    reply.outputs.add(name=output_name, datatype=DATATYPE, shape=shape)
    return reply.SerializeToString()


def _tensor_facts(tensor: ModelInferRequest.InferInputTensor | ModelInferResponse.InferOutputTensor) -> Tensor:
    typed = tuple(field.name for field, _ in tensor.contents.ListFields())
    shape, parameters = tuple(tensor.shape[:_MOST_SHOWN]), tuple(islice(tensor.parameters, _MOST_SHOWN))
    return Tensor(tensor.name, tensor.datatype, shape, typed, parameters)
