"""Reads the outputs from a ModelInfer response, and checks that they fit the request and the model."""

from typing import NoReturn

from google.protobuf.message import DecodeError

from runoff.errors import ServiceError, quote
from runoff.models.mlp import Float32Array, Kind
from runoff.rpc import wire
from runoff.rpc.oip import codec
from runoff.rpc.oip.codec import InferMessage
from runoff.rpc.oip.model_tensors import ModelTensors
from runoff.rpc.oip.names import DATATYPE
from runoff.rpc.outputs import check_outputs


def read_outputs(
    message: bytes, model_name: str, tensors: ModelTensors, batch_size: int, kind: Kind | None
) -> Float32Array:
    """
    Read a response, raw or typed.

    Args:
        message: A serialized ModelInferResponse.
        model_name: The model of the request.
        tensors: The model's input and output.
        batch_size: Samples in the request.
        kind: Policy if the outputs must be probabilities. Value or None if they only have to be finite.

    Returns:
        Outputs, shape (batch_size, output_size), as a new array.

    Raises:
        ServiceError: If the response has the wrong model name, output name, datatype or shape, or wrong numbers.
    """
    try:
        response = codec.decode_response(message)
    except DecodeError as error:
        raise ServiceError(f"the response is not a valid inference.ModelInferResponse: {error}") from None
    header = response.header
    if header.model_name not in ("", model_name):
        _refuse(f"comes from the model {quote(header.model_name)}, expected {quote(model_name)}")
    if [tensors.output_name] != [tensor.name for tensor in header.tensors]:
        found = quote([tensor.name for tensor in header.tensors], 200)
        _refuse(f"has the outputs {found}, expected one named {quote(tensors.output_name)}")
    [tensor] = header.tensors
    if tensor.datatype != DATATYPE:
        _refuse(f"has the datatype {quote(tensor.datatype)}, expected {DATATYPE!r}")
    if not tensors.is_output_shape(tensor.shape, batch_size):
        expected = [batch_size, tensors.output_size] if tensors.has_batch_dimension else [tensors.output_size]
        _refuse(f"has the shape {quote(list(tensor.shape))}, expected {expected}")
    numbers = _read_numbers(response, batch_size * tensors.output_size)
    outputs = numbers.reshape(batch_size, tensors.output_size)
    check_outputs(outputs, kind or Kind.VALUE, batch_size, tensors.output_size)
    return outputs


def _read_numbers(response: InferMessage, count: int) -> Float32Array:
    """Return the numbers of the only output, shape (count,). Raise ServiceError if there are more or fewer."""
    typed = response.header.tensors[0].typed
    if bool(response.raw) == bool(typed):
        _refuse(f"has {'both' if typed else 'neither'} of raw_output_contents and typed contents, expected one")
    if response.raw:
        sizes = [entry.nbytes for entry in response.raw]
        if sizes != [4 * count]:
            _refuse(f"has raw_output_contents of {quote(sizes)} bytes, expected one of {4 * count}")
        return wire.floats(response.raw[0])
    if typed != ("fp32_contents",) or len(response.fp32) != count:
        _refuse(f"has {len(response.fp32)} numbers in {quote(list(typed))}, expected {count} in ['fp32_contents']")
    return response.fp32


def _refuse(fault: str) -> NoReturn:
    """Raise ServiceError with a message about a fault of the response."""
    raise ServiceError(f"the response {fault}")
