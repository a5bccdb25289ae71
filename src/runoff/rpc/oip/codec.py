"""
Encodes and decodes the ModelInfer requests and responses of the Open Inference Protocol.

A raw message is a short header, followed by the tensor's bytes in the same layout as in memory. NumPy uses those bytes
in place, and this module caches headers, because they hardly change from call to call. A request of 1024 samples of 81
features takes 8 µs to write and 10 µs to read here, but 34 µs and 30 µs with protobuf's classes. Messages of any other
layout are left to protobuf.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from runoff.models.mlp import Float32Array
from runoff.rpc import wire
from runoff.rpc.limits import MAX_PARSED_BYTES, check_parsed_size
from runoff.rpc.oip import headers
from runoff.rpc.oip.headers import Header
from runoff.rpc.oip.inference_pb2 import InferTensorContents, ModelInferRequest, ModelInferResponse

# The tag of a length-delimited field is (field number << 3) | 2. These are the tags of raw_input_contents (field 7),
# raw_output_contents (6), inputs (5), contents (field 5 of an input), and fp32_contents (field 6 of contents).
_RAW_INPUT, _RAW_OUTPUT, _INPUTS, _CONTENTS, _FP32 = 0x3A, 0x32, 0x2A, 0x2A, 0x32

_Tensor: TypeAlias = ModelInferRequest.InferInputTensor | ModelInferResponse.InferOutputTensor


@dataclass(frozen=True)
class InferMessage:
    """
    A decoded ModelInfer request or response.

    Attributes:
        header: Everything except the numbers.
        raw: The raw entries as views, at most headers.MOST_READ of them. A legal message has only one.
        fp32: The first tensor's fp32_contents, shape (count,).
    """

    header: Header
    raw: tuple[wire.BytesArray, ...]
    fp32: Float32Array


_NO_NUMBERS: Float32Array = np.empty(0, np.float32)


def encode_request(
    model_name: str, model_version: str, input_name: str, output_name: str, shape: tuple[int, ...], batch: Float32Array
) -> bytes:
    """Encode a batch as a ModelInferRequest with one raw input and one requested output."""
    header = headers.write_request_header(model_name, model_version, input_name, output_name, shape)
    return _with_raw(header, _RAW_INPUT, batch)


def encode_response(request: Header, version: str, output_name: str, outputs: Float32Array, *, typed: bool) -> bytes:
    """Encode outputs as a ModelInferResponse, raw or typed. Model name and id are copied from the request."""
    # Do not cache a header with a long id, or a client could exhaust the memory by sending many of them.
    is_short = len(request.id) < headers.LONGEST_KEPT_BYTES
    write = headers.write_response_header if is_short else headers.write_response_header.__wrapped__
    header = write(request.model_name, version, request.id, output_name, outputs.shape)
    if not typed:
        return _with_raw(header, _RAW_OUTPUT, outputs)
    response = ModelInferResponse.FromString(header)
    content = wire.float_bytes(outputs).tobytes()
    response.outputs[0].contents.MergeFromString(bytes((_FP32,)) + wire.varint(len(content)) + content)
    return response.SerializeToString()


def decode_request(message: bytes) -> InferMessage:
    """
    Decode a serialized ModelInferRequest.

    Raises:
        google.protobuf.message.DecodeError: If the bytes are not a valid ModelInferRequest.
        limits.UnusualLayoutError: If protobuf would have to parse the message and it is too large for that.
    """
    found = _read_raw(headers.read_request_header, message, _RAW_INPUT)
    if found is not None:
        return found
    if len(message) > MAX_PARSED_BYTES:
        check_parsed_size(len(message) - _typed_bytes(message))
    request = ModelInferRequest.FromString(message)
    return _read_parsed(request, request.inputs, request.raw_input_contents)


def decode_response(message: bytes) -> InferMessage:
    """Decode a serialized ModelInferResponse. Raise protobuf's DecodeError if the message is invalid."""
    found = _read_raw(headers.read_response_header, message, _RAW_OUTPUT)
    if found is not None:
        return found
    response = ModelInferResponse.FromString(message)
    return _read_parsed(response, response.outputs, response.raw_output_contents)


def _read_raw(read_header: Callable[[bytes], Header], message: bytes, raw_tag: int) -> InferMessage | None:
    """Decode a message that ends with its only raw entry. Return None if the message has any other layout."""
    offset, start, end = _find_field(message, raw_tag, 0, len(message))
    if not start or end != len(message):
        return None
    raw = np.frombuffer(message, np.uint8, end - start, start)
    return InferMessage(read_header(message[:offset]), (raw,), _NO_NUMBERS)


def _read_parsed(
    message: ModelInferRequest | ModelInferResponse, tensors: Sequence[_Tensor], raw: Sequence[bytes]
) -> InferMessage:
    """Convert a message that protobuf parsed into an InferMessage."""
    fp32 = _fp32(tensors[0].contents) if tensors else _NO_NUMBERS
    views = tuple(np.frombuffer(entry, np.uint8) for entry in raw[: headers.MOST_READ])
    return InferMessage(headers.read(message), views, fp32)


def _typed_bytes(message: bytes) -> int:
    """Return the size in bytes of the first input's fp32_contents, or 0 if the field is not in the usual place."""
    start, end = 0, len(message)
    for tag in (_INPUTS, _CONTENTS, _FP32):
        _, start, end = _find_field(message, tag, start, end)
    return end - start


def _find_field(message: bytes, wanted_tag: int, offset: int, end: int) -> tuple[int, int, int]:
    """
    Find a length-delimited field, such as bytes or a submessage, near the start of a message.

    Args:
        message: Bytes that contain the message.
        wanted_tag: The field's number and wire type as one byte.
        offset: Where the message starts in these bytes.
        end: Where the message ends.

    Returns:
        Offsets of the field's tag, of its content's first byte, and of the byte after its content. (0, 0, 0) if the
        field is missing, cut off, too far from the start, or preceded by a field that is not length-delimited.
    """
    last = min(end, offset + headers.LONGEST_KEPT_BYTES)
    while offset < last:
        tag = message[offset]
        length, start = wire.read_varint(message, offset + 1)
        # Leave the message to protobuf if a field is not length-delimited, has a high field number, or is cut off.
        if tag & 7 != 2 or tag >= 0x80 or not 0 <= length <= end - start:
            break
        if tag == wanted_tag:
            return offset, start, start + length
        offset = start + length
    return 0, 0, 0


def _with_raw(header: bytes, raw_tag: int, numbers: Float32Array) -> bytes:
    """Append numbers to a serialized header as a raw entry."""
    content = numbers.astype(wire.LITTLE_ENDIAN_FLOAT, copy=False)
    return b"".join((header, bytes((raw_tag,)), wire.varint(content.nbytes), content.data.cast("B")))


def _fp32(contents: InferTensorContents) -> Float32Array:
    """Return fp32_contents as an array. Read their serialized bytes, because protobuf's own list of numbers is slow."""
    count = len(contents.fp32_contents)
    # Protobuf sorts fields by number, so fp32_contents come first unless the tensor has contents of another datatype.
    if not count or contents.ListFields()[0][0].name != "fp32_contents":
        return _NO_NUMBERS
    start = 1 + len(wire.varint(4 * count))
    return wire.floats_in(contents.SerializeToString(), start, start + 4 * count).ravel()
