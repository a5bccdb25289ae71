"""Encodes batches as the request messages of `neural.NeuralService`, and reads them back."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from runoff.models.mlp import Float32Array
from runoff.rpc import wire
from runoff.rpc.limits import MAX_BATCH_SIZE, check_parsed_size
from runoff.rpc.neural.neural_pb2 import BatchPredictRequest, PredictRequest

# Model type and name take about 30 bytes. Longer ones are not cached, so that no client can fill the memory with them.
_LONGEST_KEPT_TAIL = 256
_NO_BATCH: Float32Array = np.empty((0, 0), np.float32)


@dataclass(frozen=True)
class Request:
    """
    A decoded PredictRequest or BatchPredictRequest.

    Attributes:
        model_type: As received.
        model_name: As received; empty if the client named no model.
        count: Number of samples.
        lengths: Features of each sample; one number if all samples have the same.
        batch: The samples, shape (count, features), float32; empty if they differ in length, or if there are more than
            MAX_BATCH_SIZE in a layout that only protobuf reads.
    """

    model_type: str
    model_name: str
    count: int
    lengths: int | list[int]
    batch: Float32Array


def encode_predict(batch: Float32Array, model_type: str, model_name: str) -> bytes:
    """Return a serialized PredictRequest for a batch of one sample, shape (1, input_size)."""
    sample = wire.float_bytes(batch).tobytes()
    return wire.field_1_header(len(sample)) + sample + _tail(model_type, model_name)


def encode_batch_predict(batch: Float32Array, model_type: str, model_name: str) -> bytes:
    """Return a serialized BatchPredictRequest for a batch of shape (batch_size, input_size)."""
    samples = wire.float_bytes(batch)
    inner = wire.field_1_header(samples.shape[1])
    header = wire.field_1_header(len(inner) + samples.shape[1]) + inner
    rows = np.empty((len(samples), len(header) + samples.shape[1]), np.uint8)
    rows[:, : len(header)] = np.frombuffer(header, np.uint8)
    rows[:, len(header) :] = samples
    return rows.tobytes() + _tail(model_type, model_name)


def decode_predict(message: bytes) -> Request:
    """Read a serialized PredictRequest; errors as for `decode_batch_predict`."""
    start, end = wire.split_field_1(message)
    if end and not (end - start) % 4:
        tail = message[end:]
        names = _read_names(tail) if len(tail) <= _LONGEST_KEPT_TAIL else _read_names.__wrapped__(tail)
        if names is not None:
            batch = wire.floats_in(message, start, end)
            return Request(*names, 1, batch.shape[1], batch)
    check_parsed_size(len(message))
    request = PredictRequest.FromString(message)
    batch = np.array(request.features, np.float32).reshape(1, -1)
    return Request(request.model_type, request.model_name, 1, batch.shape[1], batch)


def decode_batch_predict(message: bytes) -> Request:
    """
    Read a serialized BatchPredictRequest.

    Raises:
        google.protobuf.message.DecodeError: If the bytes are no such request.
        limits.UnusualLayoutError: If the message is too large for its layout.
    """
    entries, end = wire.leading_entries(message)
    check_parsed_size(len(message) - end)
    rest = BatchPredictRequest.FromString(message[end:])
    length = entries.shape[1]
    start, stop = wire.split_field_1(entries[0].tobytes()) if length else (0, 0)
    # The usual layout: every entry is empty, or consists of packed features behind one and the same header.
    if not rest.inputs and stop == length and not (stop - start) % 4 and wire.is_constant(entries[:, :start]):
        batch = wire.floats(entries[:, start:])
        return Request(rest.model_type, rest.model_name, len(entries), batch.shape[1], batch)
    check_parsed_size(len(message))
    return _take_samples(BatchPredictRequest.FromString(message))


def _take_samples(request: BatchPredictRequest) -> Request:
    """Convert a request that protobuf parsed."""
    count = len(request.inputs)
    # Python takes half a minute to look at the million empty samples that fit into 2 MiB.
    if count > MAX_BATCH_SIZE:
        return Request(request.model_type, request.model_name, count, 0, _NO_BATCH)
    lengths = [len(sample.features) for sample in request.inputs]
    if not lengths or min(lengths) != max(lengths):
        return Request(request.model_type, request.model_name, count, lengths, _NO_BATCH)
    batch = np.array([sample.features for sample in request.inputs], np.float32)
    return Request(request.model_type, request.model_name, count, lengths[0], batch)


@lru_cache(maxsize=64)
def _read_names(tail: bytes) -> tuple[str, str] | None:
    """Return model type and name from the bytes after a request's features; None if they hold further features."""
    check_parsed_size(len(tail))
    rest = PredictRequest.FromString(tail)
    return None if rest.features else (rest.model_type, rest.model_name)


@lru_cache(maxsize=64)
def _tail(model_type: str, model_name: str) -> bytes:
    """Return the serialized fields that follow the features or samples of a request."""
    return wire.text_field(2, model_type) + wire.text_field(16, model_name)
