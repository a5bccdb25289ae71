"""Encodes and decodes the request messages of `neural.NeuralService`."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from runoff.models.mlp import Float32Array
from runoff.rpc import wire
from runoff.rpc.limits import MAX_BATCH_SIZE, check_parsed_size
from runoff.rpc.neural.neural_pb2 import BatchPredictRequest, PredictRequest

# Model type and name usually take about 30 bytes. Do not cache long names, or a client could exhaust the memory.
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
        lengths: Number of features of each sample, or a single number if all samples have equally many.
        batch: The samples, shape (count, features), float32. It is empty if their lengths differ, or if protobuf had to
            parse the message and it contains more than MAX_BATCH_SIZE samples.
    """

    model_type: str
    model_name: str
    count: int
    lengths: int | list[int]
    batch: Float32Array


def encode_predict(batch: Float32Array, model_type: str, model_name: str) -> bytes:
    """Encode a batch of one sample, shape (1, input_size), as a PredictRequest."""
    sample = wire.float_bytes(batch).tobytes()
    return wire.field_1_header(len(sample)) + sample + _tail(model_type, model_name)


def encode_batch_predict(batch: Float32Array, model_type: str, model_name: str) -> bytes:
    """Encode a batch of shape (batch_size, input_size) as a BatchPredictRequest."""
    samples = wire.float_bytes(batch)
    inner = wire.field_1_header(samples.shape[1])
    header = wire.field_1_header(len(inner) + samples.shape[1]) + inner
    rows = np.empty((len(samples), len(header) + samples.shape[1]), np.uint8)
    rows[:, : len(header)] = np.frombuffer(header, np.uint8)
    rows[:, len(header) :] = samples
    return rows.tobytes() + _tail(model_type, model_name)


def decode_predict(message: bytes) -> Request:
    """Decode a serialized PredictRequest. Errors are those of `decode_batch_predict`."""
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
    Decode a serialized BatchPredictRequest.

    Raises:
        google.protobuf.message.DecodeError: If the bytes are not a valid BatchPredictRequest.
        limits.UnusualLayoutError: If protobuf would have to parse the message and it is too large for that.
    """
    entries, end = wire.leading_entries(message)
    check_parsed_size(len(message) - end)
    rest = BatchPredictRequest.FromString(message[end:])
    length = entries.shape[1]
    start, stop = wire.split_field_1(entries[0].tobytes()) if length else (0, 0)
    # In the usual layout, either all entries are empty, or each is the same header followed by packed features.
    if not rest.inputs and stop == length and not (stop - start) % 4 and wire.is_constant(entries[:, :start]):
        batch = wire.floats(entries[:, start:])
        return Request(rest.model_type, rest.model_name, len(entries), batch.shape[1], batch)
    check_parsed_size(len(message))
    return _take_samples(BatchPredictRequest.FromString(message))


def _take_samples(request: BatchPredictRequest) -> Request:
    """Convert a request that protobuf parsed into a Request."""
    count = len(request.inputs)
    # A message of 2 MiB can contain a million samples, and a Python loop over them would take half a minute.
    if count > MAX_BATCH_SIZE:
        return Request(request.model_type, request.model_name, count, 0, _NO_BATCH)
    lengths = [len(sample.features) for sample in request.inputs]
    if not lengths or min(lengths) != max(lengths):
        return Request(request.model_type, request.model_name, count, lengths, _NO_BATCH)
    batch = np.array([sample.features for sample in request.inputs], np.float32)
    return Request(request.model_type, request.model_name, count, lengths[0], batch)


@lru_cache(maxsize=64)
def _read_names(tail: bytes) -> tuple[str, str] | None:
    """Read model type and name from the bytes after a request's features. Return None if more features follow."""
    check_parsed_size(len(tail))
    rest = PredictRequest.FromString(tail)
    return None if rest.features else (rest.model_type, rest.model_name)


@lru_cache(maxsize=64)
def _tail(model_type: str, model_name: str) -> bytes:
    """Serialize the model type and the model name, which follow the features or samples in a request."""
    return wire.text_field(2, model_type) + wire.text_field(16, model_name)
