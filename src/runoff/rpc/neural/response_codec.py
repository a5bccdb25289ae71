"""Encodes and decodes the response messages of `neural.NeuralService`."""

import re
from itertools import chain

import numpy as np

from runoff.errors import ServiceError
from runoff.models.mlp import Float32Array, Kind
from runoff.rpc import wire
from runoff.rpc.descriptors import parse_response
from runoff.rpc.neural.neural_pb2 import BatchPredictResponse, PredictResponse

# The field best_move is a tag and a varint. All bytes of a varint except the last have the bit 0x80. The field is
# optional, because proto3 omits a best move of 0.
_BEST_MOVE = re.compile(rb"(\x18[\x80-\xff]{0,4}[\x00-\x7f])?")


def encode_predict(outputs: Float32Array, kind: Kind) -> bytes:
    """Encode the outputs of one sample, shape (1, output_size), as a PredictResponse."""
    content = wire.float_bytes(outputs).tobytes()
    if kind is Kind.VALUE:
        return bytes((wire.FIELD_2_FLOAT,)) + content
    best_move = bytes((wire.FIELD_3_VARINT,)) + wire.varint(int(outputs.argmax()))
    return wire.field_1_header(len(content)) + content + best_move


def encode_batch_predict(outputs: Float32Array, kind: Kind) -> bytes:
    """Encode outputs of shape (batch_size, output_size) as a BatchPredictResponse."""
    content = wire.float_bytes(outputs)
    if kind is Kind.VALUE:
        inner, width = bytes((wire.FIELD_2_FLOAT,)), 0
    else:
        # Send even a best move of 0, and pad all best moves to the same length, because all rows must be equally long.
        inner, width = wire.field_1_header(content.shape[1]), 1 + len(wire.varint(outputs.shape[1] - 1))
    header = wire.field_1_header(len(inner) + content.shape[1] + width) + inner
    end = len(header) + content.shape[1]
    rows = np.empty((len(outputs), end + width), np.uint8)
    rows[:, : len(header)] = np.frombuffer(header, np.uint8)
    rows[:, len(header) : end] = content
    if kind is Kind.POLICY:
        rows[:, end] = wire.FIELD_3_VARINT
        best_moves = outputs.argmax(axis=1)
        for place in range(width - 1):
            more = 0x80 if place < width - 2 else 0
            rows[:, end + 1 + place] = best_moves >> 7 * place & 0x7F | more
    return rows.tobytes()


def decode_predict(message: bytes, kind: Kind) -> Float32Array:
    """Return the outputs in a serialized PredictResponse, shape (1, output_size). See `decode_batch_predict`."""
    outputs = _read_plain_body(message, kind)
    return outputs if outputs is not None else _take_outputs([parse_response(PredictResponse, message)], kind)


def decode_batch_predict(message: bytes, kind: Kind) -> Float32Array:
    """
    Return the outputs in a serialized BatchPredictResponse.

    Args:
        message: The serialized message.
        kind: Policy if each sample must have probabilities. Value if each sample must have a value.

    Returns:
        Outputs, shape (samples, output_size).

    Raises:
        ServiceError: If the bytes are not a valid BatchPredictResponse, if a sample lacks the field for the kind or has
            the other one, or if the samples differ in their number of probabilities.
    """
    bodies, end = wire.leading_entries(message)
    outputs = _read_equal_bodies(bodies, kind) if end == len(message) else None
    if outputs is not None:
        return outputs
    return _take_outputs(list(parse_response(BatchPredictResponse, message).outputs), kind)


def _read_plain_body(message: bytes, kind: Kind) -> Float32Array | None:
    """Read one PredictResponse, 20 µs faster than `_read_equal_bodies`. Return None if the layout is unusual."""
    if kind is Kind.VALUE:
        plain, start, end = len(message) == 5 and message[0] == wire.FIELD_2_FLOAT, 1, 5
    else:
        start, end = wire.split_field_1(message)
        plain = end > start and not (end - start) % 4 and _BEST_MOVE.fullmatch(message, end) is not None
    return wire.floats_in(message, start, end) if plain else None


def _read_equal_bodies(bodies: wire.BytesArray, kind: Kind) -> Float32Array | None:
    """Read serialized PredictResponses, one in each row of bytes. Return None unless all have the same usual layout."""
    if not bodies.size:
        return None
    if kind is Kind.VALUE:
        plain = bodies.shape[1] == 5 and (bodies[:, 0] == wire.FIELD_2_FLOAT).all()
        return wire.floats(bodies[:, 1:]) if plain else None
    first = bodies[0].tobytes()
    start, end = wire.split_field_1(first)
    if end == start or (end - start) % 4 or not _BEST_MOVE.fullmatch(first, end):
        return None
    # All rows must have the same header, the same tag of best_move, and varints of the same length (bits 0x80).
    same = map(wire.is_constant, (bodies[:, :start], bodies[:, end : end + 1], bodies[:, end + 1 :] & np.uint8(0x80)))
    return wire.floats(bodies[:, start:end]) if all(same) else None


def _take_outputs(responses: list[PredictResponse], kind: Kind) -> Float32Array:
    """Return the outputs of parsed responses, one per sample. Raise ServiceError if fields or lengths are wrong."""
    for index, response in enumerate(responses):
        _check_fields(index, response, kind)
    if kind is Kind.VALUE:
        return np.array([[response.value] for response in responses], np.float32).reshape(-1, 1)
    width = len(responses[0].probabilities) if responses else 0
    for index, response in enumerate(responses):
        if len(response.probabilities) != width:
            raise ServiceError(
                f"the response to sample {index} has {len(response.probabilities)} probabilities, sample 0 has {width}"
            )
    numbers = chain.from_iterable(response.probabilities for response in responses)
    return np.fromiter(numbers, np.float32, width * len(responses)).reshape(len(responses), width)


def _check_fields(index: int, response: PredictResponse, kind: Kind) -> None:
    """Raise ServiceError unless a response has exactly the field for its kind of model: probabilities or value."""
    has_probabilities, has_value = bool(response.probabilities), response.value != 0.0
    # proto3 omits a value of 0.0, which a tanh head can return, so a response with neither field is a valid value. If
    # the service in fact computed nothing, the comparison with the reference outputs fails.
    if has_probabilities == has_value and (has_value or kind is Kind.POLICY):
        found = "both of" if has_value else "neither of"
        raise ServiceError(f"the response to sample {index} has {found} probabilities and value, expected one")
    if has_probabilities != (kind is Kind.POLICY):
        found = "probabilities" if has_probabilities else "a value"
        raise ServiceError(f"the response to sample {index} has {found}, but the request was for a {kind}")
