"""Prediction requests: float32 arrays to the original messages and back."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from runoff.models.mlp import Float32Array
from runoff.rpc import wire
from runoff.rpc.field_count import check_field_count
from runoff.rpc.neural.neural_pb2 import BatchPredictRequest, PredictRequest

# Types and names have some 30 bytes. Longer ones are parsed each time, so nobody fills the memory with them.
_LONGEST_KEPT_TAIL = 256
_NO_BATCH: Float32Array = np.empty((0, 0), np.float32)


@dataclass(frozen=True)
class Request:
    """
    A decoded request, of either kind.

    Attributes:
        model_type: As sent.
        model_name: As sent; empty if the client knows no names.
        lengths: Features of each sample; one number if all have as many.
        count: Number of samples.
        batch: The samples, shape (count, features), float32; empty if they differ in length.
    """

    model_type: str
    model_name: str
    count: int
    lengths: int | list[int]
    batch: Float32Array


def encode_predict(batch: Float32Array, model_type: str, model_name: str) -> bytes:
    """Return a serialized PredictRequest for a batch of one, shape (1, input_size)."""
    sample = wire.float_bytes(batch).tobytes()
    return wire.field_1_header(len(sample)) + sample + _tail(model_type, model_name)


def encode_batch_predict(batch: Float32Array, model_type: str, model_name: str) -> bytes:
    """Return a serialized BatchPredictRequest, batch of shape (batch_size, input_size)."""
    samples = wire.float_bytes(batch)
    inner = wire.field_1_header(samples.shape[1])
    header = wire.field_1_header(len(inner) + samples.shape[1]) + inner
    rows = np.empty((len(samples), len(header) + samples.shape[1]), np.uint8)
    rows[:, : len(header)] = np.frombuffer(header, np.uint8)
    rows[:, len(header) :] = samples
    return rows.tobytes() + _tail(model_type, model_name)


def decode_predict(message: bytes) -> Request:
    """
    Read a serialized PredictRequest.

    Raises:
        google.protobuf.message.DecodeError: If it is none.
        field_count.TooManyFieldsError: If it has so many entries that parsing them would take long.
    """
    start, end = wire.split_field_1(message)
    if end and not (end - start) % 4:
        names = _names_behind(message[end:])
        if names is not None:
            batch = wire.floats_in(message, start, end)
            return Request(*names, 1, batch.shape[1], batch)
    check_field_count(message, PredictRequest)
    request = PredictRequest.FromString(message)
    batch = np.array(request.features, np.float32).reshape(1, -1)
    return Request(request.model_type, request.model_name, 1, batch.shape[1], batch)


def decode_batch_predict(message: bytes) -> Request:
    """
    Read a serialized BatchPredictRequest.

    Raises:
        google.protobuf.message.DecodeError: If it is none.
        field_count.TooManyFieldsError: If it has so many entries that parsing them would take long.
    """
    entries, end = wire.leading_entries(message)
    check_field_count(message[end:], BatchPredictRequest)
    rest = BatchPredictRequest.FromString(message[end:])
    length = entries.shape[1]
    start, stop = wire.split_field_1(entries[0].tobytes()) if length else (0, 0)
    # An entry is either empty or all features, with one header throughout.
    if not rest.inputs and stop == length and not (stop - start) % 4 and _constant(entries[:, :start]):
        batch = wire.floats(entries[:, start:])
        return Request(rest.model_type, rest.model_name, len(entries), batch.shape[1], batch)
    check_field_count(message, BatchPredictRequest)
    request = BatchPredictRequest.FromString(message)
    lengths = [len(sample.features) for sample in request.inputs]
    if not lengths or min(lengths) != max(lengths):
        return Request(request.model_type, request.model_name, len(lengths), lengths, _NO_BATCH)
    batch = np.array([sample.features for sample in request.inputs], np.float32)
    return Request(request.model_type, request.model_name, len(lengths), lengths[0], batch)


def _constant(columns: wire.BytesArray) -> bool:
    """Return whether all rows are alike; none are, too."""
    return bool((columns == columns[:1]).all())


def _names_behind(tail: bytes) -> tuple[str, str] | None:
    """Return type and name from what follows the one sample of a request; None if more features do."""
    return _kept_names_behind(tail) if len(tail) <= _LONGEST_KEPT_TAIL else _parse_names(tail)


def _parse_names(tail: bytes) -> tuple[str, str] | None:
    check_field_count(tail, PredictRequest)
    rest = PredictRequest.FromString(tail)
    return None if rest.features else (rest.model_type, rest.model_name)


# Clients ask for the same few models again and again.
_kept_names_behind = lru_cache(maxsize=64)(_parse_names)


@lru_cache(maxsize=64)
def _tail(model_type: str, model_name: str) -> bytes:
    return wire.text_field(2, model_type) + wire.text_field(16, model_name)
