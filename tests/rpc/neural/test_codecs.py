"""Tests that our codecs for the original protocol are compatible with protobuf, in every legal message layout."""

import numpy as np
import pytest
from google.protobuf.message import DecodeError

from runoff.errors import ServiceError
from runoff.models.mlp import Float32Array, Kind
from runoff.rpc import wire
from runoff.rpc.neural import request_codec, response_codec
from runoff.rpc.neural.neural_pb2 import (
    BatchPredictRequest,
    BatchPredictResponse,
    InputFeatures,
    PredictRequest,
    PredictResponse,
)
from runoff.rpc.outputs import check_outputs

SHAPES = [(1, 1), (2, 1), (3, 31), (5, 32), (64, 81), (4, 300), (2, 5000)]


def batch_of(shape: tuple[int, int]) -> Float32Array:
    return np.random.default_rng(1).standard_normal(shape, dtype=np.float32)


def probabilities_of(shape: tuple[int, int]) -> Float32Array:
    numbers = np.random.default_rng(2).random(shape, dtype=np.float32)
    return np.asarray(numbers / numbers.sum(axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("shape", SHAPES)
def test_protobuf_reads_our_batch_request(shape: tuple[int, int]) -> None:
    """Third-party services parse our requests with protobuf, so protobuf must accept them."""
    batch = batch_of(shape)
    found = BatchPredictRequest.FromString(request_codec.encode_batch_predict(batch, "policy", "a"))
    inputs = [InputFeatures(features=sample) for sample in batch]
    assert BatchPredictRequest(inputs=inputs, model_type="policy", model_name="a") == found


@pytest.mark.parametrize("shape", SHAPES)
def test_protobuf_reads_our_request_of_one(shape: tuple[int, int]) -> None:
    """Third-party services expect requests as protobuf writes them, so an empty model name must be omitted."""
    sample = batch_of((1, shape[1]))
    found = request_codec.encode_predict(sample, "value", "")
    assert PredictRequest(features=sample[0], model_type="value").SerializeToString() == found


@pytest.mark.parametrize("shape", SHAPES)
def test_our_decoder_reads_protobufs_batch_request(shape: tuple[int, int]) -> None:
    """Existing clients write their requests with protobuf, so our decoder must read what protobuf writes."""
    batch = batch_of(shape)
    inputs = [InputFeatures(features=sample) for sample in batch]
    message = BatchPredictRequest(inputs=inputs, model_type="policy", model_name="a").SerializeToString()
    found = request_codec.decode_batch_predict(message)
    assert ("policy", "a", len(batch)) == (found.model_type, found.model_name, found.count)
    np.testing.assert_array_equal(batch, found.batch)
    assert found.batch.flags.c_contiguous


def _unpacked(sample: Float32Array) -> bytes:
    return b"".join(b"\x0d" + number.tobytes() for number in sample)


def _batch_request(bodies: list[bytes]) -> bytes:
    return b"".join(wire.field_1_header(len(body)) + body for body in bodies) + wire.text_field(2, "policy")


def _packed(sample: Float32Array) -> bytes:
    return wire.field_1_header(4 * len(sample)) + sample.tobytes()


@pytest.mark.parametrize(
    "encode",
    [
        pytest.param(lambda b: _batch_request([_packed(s) for s in b]), id="packed"),
        pytest.param(lambda b: _batch_request([_unpacked(s) for s in b]), id="unpacked"),
        pytest.param(lambda b: _batch_request([_packed(s[:1]) + _packed(s[1:]) for s in b]), id="two-pieces"),
        pytest.param(lambda b: _batch_request([_packed(s) + b"\x78\x01" for s in b]), id="unknown-field-in-samples"),
        pytest.param(lambda b: wire.text_field(2, "policy") + _batch_request([_packed(s) for s in b]), id="type-first"),
        pytest.param(
            lambda b: _batch_request([_packed(b[0])]) + _batch_request([_packed(s) for s in b[1:]]), id="interleaved"
        ),
        pytest.param(
            lambda b: _batch_request([_packed(b[0]), _unpacked(b[1]), *(_packed(s) for s in b[2:])]), id="mixed"
        ),
    ],
)
@pytest.mark.parametrize("features", [2, 4])
def test_every_legal_layout_of_a_batch_request_is_read(encode: "object", features: int) -> None:
    """Clients may order fields freely and send repeated fields in pieces, so the decoder must read all such layouts."""
    # Two features take 10 bytes both packed and unpacked, so the decoder cannot tell these layouts apart by length.
    batch = batch_of((6, features))
    assert callable(encode)
    found = request_codec.decode_batch_predict(encode(batch))
    assert "policy" == found.model_type
    np.testing.assert_array_equal(batch, found.batch)


def test_length_of_every_sample_is_returned_if_they_differ() -> None:
    """The service needs all lengths, because its error names the first sample with a wrong length."""
    message = _batch_request([_packed(batch_of((1, n))[0]) for n in (3, 3, 5)])
    assert [3, 3, 5] == request_codec.decode_batch_predict(message).lengths


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("shape", SHAPES)
def test_protobuf_reads_our_batch_response(kind: Kind, shape: tuple[int, int]) -> None:
    """Existing clients parse our responses with protobuf, so protobuf must read the same outputs and best moves."""
    outputs = probabilities_of(shape) if kind is Kind.POLICY else batch_of((shape[0], 1))
    found = BatchPredictResponse.FromString(response_codec.encode_batch_predict(outputs, kind))
    if kind is Kind.POLICY:
        wanted = [PredictResponse(probabilities=row, best_move=int(row.argmax())) for row in outputs]
    else:
        wanted = [PredictResponse(value=row[0]) for row in outputs]
    assert wanted == list(found.outputs)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("shape", SHAPES)
def test_our_decoder_reads_our_responses_and_protobufs_alike(kind: Kind, shape: tuple[int, int]) -> None:
    """Third-party services omit a best move of 0, so the client must read responses with samples of unequal length."""
    outputs = probabilities_of(shape) if kind is Kind.POLICY else batch_of((shape[0], 1))
    ours = response_codec.encode_batch_predict(outputs, kind)
    foreign = BatchPredictResponse.FromString(ours).SerializeToString()
    np.testing.assert_array_equal(outputs, response_codec.decode_batch_predict(ours, kind))
    np.testing.assert_array_equal(outputs, response_codec.decode_batch_predict(foreign, kind))
    np.testing.assert_array_equal(
        outputs[:1], response_codec.decode_predict(response_codec.encode_predict(outputs[:1], kind), kind)
    )


def test_value_of_exactly_zero_is_sent() -> None:
    """If the service omitted a value of 0.0, as proto3 allows, clients could not see that it computed a value."""
    zero = np.zeros((2, 1), np.float32)
    np.testing.assert_array_equal(
        zero, response_codec.decode_batch_predict(response_codec.encode_batch_predict(zero, Kind.VALUE), Kind.VALUE)
    )


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_truncated_response_is_an_error(cut: int) -> None:
    """A truncated response must not be mistaken for a shorter, valid response with different numbers."""
    message = response_codec.encode_batch_predict(probabilities_of((2, 4)), Kind.POLICY)
    try:
        found = response_codec.decode_batch_predict(message[:-cut], Kind.POLICY)
    except ServiceError:
        return
    with pytest.raises(ServiceError):
        check_outputs(found, Kind.POLICY, 2, 4)


def _mutated(message: bytes, seed: int) -> bytes:
    """Return a randomly damaged copy of a message: with a changed byte, an inserted byte or a missing end."""
    random = np.random.default_rng(seed)
    mutated = bytearray(message)
    if random.random() < 0.7:
        # Change a byte near the start or end of the message, because decoders must check the tags and lengths there.
        place = int(random.integers(0, 4)) * int(random.choice([1, -1]))
        mutated[place] = int(random.integers(0, 256))
    if random.random() < 0.2:
        mutated.insert(int(random.integers(0, len(mutated))), int(random.integers(0, 256)))
    if random.random() < 0.2:
        del mutated[-int(random.integers(1, 4)) :]
    return bytes(mutated)


@pytest.mark.parametrize("kind", list(Kind))
def test_fast_path_for_one_response_reads_what_protobuf_reads(kind: Kind) -> None:
    """The fast path for the usual layout checks only a few bytes, so it might misread a damaged message."""
    outputs = probabilities_of((1, 9)) if kind is Kind.POLICY else batch_of((1, 1))
    for seed in range(3000):
        message = _mutated(response_codec.encode_predict(outputs, kind), seed)
        found = response_codec._read_plain_body(message, kind)
        if found is not None:
            read = PredictResponse.FromString(message)
            wanted = read.probabilities if kind is Kind.POLICY else [read.value]
            np.testing.assert_array_equal(np.array([wanted], np.float32), found)


def test_fast_path_for_one_request_reads_what_protobuf_reads() -> None:
    """The fast path for the usual layout checks only a few bytes, so it might misread a damaged message."""
    for seed in range(3000):
        message = _mutated(request_codec.encode_predict(batch_of((1, 3)), "policy", "net"), seed)
        try:
            read = PredictRequest.FromString(message)
        except DecodeError:
            with pytest.raises(DecodeError):
                request_codec.decode_predict(message)
            continue
        found = request_codec.decode_predict(message)
        assert (read.model_type, read.model_name) == (found.model_type, found.model_name)
        np.testing.assert_array_equal(np.array([read.features], np.float32), found.batch)
