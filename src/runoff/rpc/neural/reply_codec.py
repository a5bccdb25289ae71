"""Prediction replies: float32 arrays to the original messages and back, checked on the way in."""

from itertools import chain
from typing import TypeVar

import numpy as np
from google.protobuf.message import DecodeError

from runoff.errors import ServiceError
from runoff.models.mlp import Float32Array, Kind
from runoff.rpc import wire
from runoff.rpc.neural.neural_pb2 import BatchPredictResponse, PredictResponse

# Float32's own error over 65,536 outputs is below 1e-3; a service in half precision is within it as well.
_SUM_TOLERANCE = 1e-3
# So many numbers Python itself adds up before NumPy's five calls have begun to.
_FEW = 64
_Response = TypeVar("_Response", PredictResponse, BatchPredictResponse)


def encode_predict(outputs: Float32Array, kind: Kind) -> bytes:
    """Return a serialized PredictResponse for one sample's outputs, shape (1, output_size)."""
    content = wire.float_bytes(outputs).tobytes()
    if kind is Kind.VALUE:
        return bytes((wire.FIELD_2_FLOAT,)) + content
    best_move = bytes((wire.FIELD_3_VARINT,)) + wire.varint(int(outputs.argmax()))
    return wire.field_1_header(len(content)) + content + best_move


def encode_batch_predict(outputs: Float32Array, kind: Kind) -> bytes:
    """Return a serialized BatchPredictResponse, outputs of shape (batch_size, output_size)."""
    bodies = _bodies(outputs, kind)
    header = wire.field_1_header(bodies.shape[1])
    rows = np.empty((len(bodies), len(header) + bodies.shape[1]), np.uint8)
    rows[:, : len(header)] = np.frombuffer(header, np.uint8)
    rows[:, len(header) :] = bodies
    return rows.tobytes()


def decode_predict(message: bytes, kind: Kind) -> Float32Array:
    """
    Read a serialized PredictResponse.

    Returns:
        Outputs, shape (1, output_size).

    Raises:
        ServiceError: If it is none, or holds both of probabilities and value, or not the one that was asked for.
    """
    outputs = _plain_body(message, kind)
    return outputs if outputs is not None else _parsed([_parse(PredictResponse, message)], kind)


def decode_batch_predict(message: bytes, kind: Kind) -> Float32Array:
    """
    Read a serialized BatchPredictResponse.

    Returns:
        Outputs, shape (samples, output_size).

    Raises:
        ServiceError: If it is none, or a sample holds both of probabilities and value, or not the one that was asked
            for, or the samples differ in their number of probabilities.
    """
    bodies, end = wire.leading_entries(message)
    outputs = _equal_bodies(bodies, kind) if end == len(message) else None
    return outputs if outputs is not None else _parsed(list(_parse(BatchPredictResponse, message).outputs), kind)


def check(outputs: Float32Array, kind: Kind, batch_size: int, output_size: int | None) -> None:
    """
    Hold a reply against the request and the model; a few vectorised operations, so part of every call.

    Raises:
        ServiceError: If the numbers of samples or outputs differ, one is not finite, or probabilities are none.
    """
    if len(outputs) != batch_size:
        raise ServiceError(f"the reply has {len(outputs)} outputs, expected {batch_size}, one for each sample")
    if output_size is not None and outputs.shape[1] != output_size:
        raise ServiceError(
            f"the reply has {outputs.shape[1]} numbers a sample, the model was announced with {output_size}"
        )
    if kind is Kind.VALUE:
        if not np.isfinite(outputs).all():
            raise ServiceError(f"the reply's {_first(~np.isfinite(outputs), outputs)}, expected a finite number")
        return
    if batch_size == 1 and outputs.size <= _FEW:
        numbers = outputs[0].tolist()
        if abs(sum(numbers) - 1.0) <= _SUM_TOLERANCE and min(numbers) >= 0.0:
            return
    # A number that is not finite makes its row's sum so, and fails the comparison. As a product with ones, since NumPy
    # sums short rows one by one: 3 µs instead of 21 for 1024 rows of 9.
    with np.errstate(invalid="ignore"):
        sums = outputs @ np.ones(outputs.shape[1], np.float32)
    if not ((np.abs(sums - 1.0) <= _SUM_TOLERANCE).all() and outputs.min() >= 0.0):
        _explain_probabilities(outputs, sums)


def _explain_probabilities(outputs: Float32Array, sums: Float32Array) -> None:
    for wrong, wanted in ((~np.isfinite(outputs), "a finite number"), (outputs < 0.0, "a probability")):
        if wrong.any():
            raise ServiceError(f"the reply's {_first(wrong, outputs)}, expected {wanted}")
    row = int(np.abs(sums - 1.0).argmax())
    raise ServiceError(f"the reply's probabilities of sample {row} sum to {sums[row]:.6g}, expected 1")


def _first(wrong: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]", outputs: Float32Array) -> str:
    row, column = np.unravel_index(int(wrong.argmax()), outputs.shape)
    return f"output {column} of sample {row} is {outputs[row, column]:.6g}"


def _bodies(outputs: Float32Array, kind: Kind) -> wire.BytesArray:
    """Return one PredictResponse a row; all rows equally long, so zeros are written out."""
    content = wire.float_bytes(outputs)
    if kind is Kind.VALUE:
        return np.insert(content, 0, wire.FIELD_2_FLOAT, axis=1)
    header = wire.field_1_header(content.shape[1])
    width = len(wire.varint(outputs.shape[1] - 1))
    rows = np.empty((len(outputs), len(header) + content.shape[1] + 1 + width), np.uint8)
    rows[:, : len(header)] = np.frombuffer(header, np.uint8)
    rows[:, len(header) : -1 - width] = content
    rows[:, -1 - width] = wire.FIELD_3_VARINT
    best_moves = outputs.argmax(axis=1)
    for place in range(width):
        more = 0x80 if place < width - 1 else 0
        rows[:, place - width] = best_moves >> 7 * place & 0x7F | more
    return rows


def _plain_body(message: bytes, kind: Kind) -> Float32Array | None:
    """Read one PredictResponse as `_equal_bodies` reads many, without the 20 µs that NumPy's calls take for one row."""
    if kind is Kind.VALUE:
        plain, start, end = len(message) == 5 and message[0] == wire.FIELD_2_FLOAT, 1, 5
    else:
        start, end = wire.split_field_1(message)
        best_move = message[end:]
        digits = best_move[1:]
        plain = end > start and not (end - start) % 4
        if best_move:
            plain &= best_move[0] == wire.FIELD_3_VARINT and 0 < len(digits) <= 5 and digits[-1] < 0x80
            plain &= all(digit >= 0x80 for digit in digits[:-1])
    return wire.floats_in(message, start, end) if plain else None


def _equal_bodies(bodies: wire.BytesArray, kind: Kind) -> Float32Array | None:
    """Read PredictResponses of one layout, a row each; None if that is not what they are."""
    if not bodies.size:
        return None
    if kind is Kind.VALUE:
        plain = bodies.shape[1] == 5 and (bodies[:, 0] == wire.FIELD_2_FLOAT).all()
        return wire.floats(bodies[:, 1:]) if plain else None
    start, end = wire.split_field_1(bodies[0].tobytes())
    if end == start or (end - start) % 4 or not (bodies[:, :start] == bodies[0, :start]).all():
        return None
    best_moves = bodies[:, end:]
    if best_moves.shape[1]:
        digits = best_moves[:, 1:]
        # Tag, then a varint that fills the row: all of its bytes but the last say that another follows.
        if not (
            0 < digits.shape[1] <= 5
            and (best_moves[:, 0] == wire.FIELD_3_VARINT).all()
            and (digits[:, :-1] >= 0x80).all()
            and (digits[:, -1] < 0x80).all()
        ):
            return None
    return wire.floats(bodies[:, start:end])


def _parse(message_type: type[_Response], message: bytes) -> _Response:
    try:
        return message_type.FromString(message)
    except DecodeError as error:
        raise ServiceError(f"the reply is no {message_type.DESCRIPTOR.full_name}: {error}") from None


def _parsed(replies: list[PredictResponse], kind: Kind) -> Float32Array:
    """Take the numbers out of parsed replies, which must be alike."""
    for index, reply in enumerate(replies):
        has_probabilities, has_value = bool(reply.probabilities), reply.value != 0.0
        # proto3 leaves 0.0 out, so where a value was asked for, neither is that number: a tanh head may well answer it.
        # Were it no answer at all, the check of the answers against the model's would see it.
        if has_probabilities == has_value and (has_value or kind is Kind.POLICY):
            found = "both of" if has_value else "neither of"
            raise ServiceError(f"the reply to sample {index} has {found} probabilities and value, expected one")
        if has_probabilities != (kind is Kind.POLICY):
            found = "probabilities" if has_probabilities else "a value"
            raise ServiceError(f"the reply to sample {index} has {found}, but a {kind} was asked for")
    if kind is Kind.VALUE:
        return np.array([[reply.value] for reply in replies], np.float32).reshape(-1, 1)
    width = len(replies[0].probabilities) if replies else 0
    other = next((index for index, reply in enumerate(replies) if len(reply.probabilities) != width), None)
    if other is not None:
        raise ServiceError(
            f"the reply to sample {other} has {len(replies[other].probabilities)} probabilities, sample 0 has {width}"
        )
    numbers = chain.from_iterable(reply.probabilities for reply in replies)
    return np.fromiter(numbers, np.float32, width * len(replies)).reshape(len(replies), width)
