"""Every request decoder against hostile bytes: protobuf's own parser is the judge of what they mean."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import grpc
import numpy as np
import psutil
import pytest
from google.protobuf.message import DecodeError

from runoff.backends.neural_grpc import request_codec, wire
from runoff.backends.neural_grpc.neural_pb2 import BatchPredictRequest, PredictRequest
from runoff.backends.oip_grpc import codec, headers
from runoff.backends.oip_grpc.inference_pb2 import ModelInferRequest
from runoff.service.launcher import RunningService, launch
from tests.support.fuzz import hostile_messages

Facts = tuple[object, ...]
BATCH = np.random.default_rng(0).random((3, 5), dtype=np.float32)
# What may come back for any bytes at all; INTERNAL only for those that are no protobuf.
CATALOGUE = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED", "INTERNAL"}
# Allocators and caches settle within a few MB; a leak of 100 bytes a message would show.
STEADY_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Decoder:
    """
    One of ours, and protobuf in its place.

    Attributes:
        method: The method whose requests it reads.
        ours: Bytes to facts; raises DecodeError.
        reference: The same by protobuf alone.
        good: Messages to start from.
    """

    method: str
    ours: Callable[[bytes], Facts]
    reference: Callable[[bytes], Facts]
    good: list[bytes]


def request_facts(request: request_codec.Request) -> Facts:
    lengths = request.lengths if isinstance(request.lengths, list) else [request.lengths] * request.count
    even = request.batch.tolist() if request.count and len(set(lengths)) == 1 else []
    return request.model_type, request.model_name, lengths, even


def predict_reference(message: bytes) -> Facts:
    request = PredictRequest.FromString(message)
    return request.model_type, request.model_name, [len(request.features)], [list(request.features)]


def batch_reference(message: bytes) -> Facts:
    request = BatchPredictRequest.FromString(message)
    samples = [list(sample.features) for sample in request.inputs]
    lengths = [len(sample) for sample in samples]
    return request.model_type, request.model_name, lengths, samples if len(set(lengths)) == 1 else []


def infer_facts(request: codec.Infer) -> Facts:
    raw = [entry.tobytes() for entry in request.raw]
    # Raw and typed are refused by the header, which tells of both; then nobody looks at the numbers.
    return request.header, raw, [] if raw else request.fp32.tolist()


def infer_reference(message: bytes) -> Facts:
    request = ModelInferRequest.FromString(message)
    contents = [field.name for field, _ in request.inputs[0].contents.ListFields()] if request.inputs else []
    fp32 = list(request.inputs[0].contents.fp32_contents) if contents[:1] == ["fp32_contents"] else []
    raw = list(request.raw_input_contents)
    return headers.request_facts(request), raw, [] if raw else fp32


def typed_infer_request() -> bytes:
    request = ModelInferRequest(model_name="untrained_5_7_3_policy", id="7")
    request.inputs.add(name="input", datatype="FP32", shape=(3, 5)).contents.fp32_contents.extend(BATCH.ravel())
    return request.SerializeToString()


DECODERS = [
    Decoder(
        "neural.NeuralService/Predict",
        lambda message: request_facts(request_codec.decode_predict(message)),
        predict_reference,
        [
            request_codec.encode_predict(BATCH[:1], "policy", ""),
            b"".join(b"\x0d" + number.tobytes() for number in BATCH[0]) + wire.text_field(2, "policy"),
        ],
    ),
    Decoder(
        "neural.NeuralService/BatchPredict",
        lambda message: request_facts(request_codec.decode_batch_predict(message)),
        batch_reference,
        [
            request_codec.encode_batch_predict(BATCH, "policy", ""),
            request_codec.encode_batch_predict(np.zeros((4, 0), np.float32), "policy", "untrained_5_7_3_policy"),
            wire.text_field(2, "policy") + b"\x0a\x05\x0d\x00\x00\x80\x3f" * 3,
        ],
    ),
    Decoder(
        "inference.GRPCInferenceService/ModelInfer",
        lambda message: infer_facts(codec.decode_request(message)),
        infer_reference,
        [
            codec.encode_request("untrained_5_7_3_policy", "", "input", "output", (3, 5), BATCH),
            typed_infer_request(),
        ],
    ),
]
each_decoder = pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: decoder.method.split("/")[1])


def outcome(decode: Callable[[bytes], Facts], message: bytes) -> str:
    """Return what a decoder makes of a message as text, in which NaN equals NaN."""
    try:
        return repr(decode(message))
    except DecodeError:
        return "no protobuf"


@each_decoder
def test_decoder_agrees_with_protobuf_on_hostile_bytes(decoder: Decoder) -> None:
    """A fast path that misreads one layout would compute for numbers that nobody sent."""
    accepted = 0
    for message in hostile_messages(decoder.good, 100_000):
        wanted = outcome(decoder.reference, message)
        assert wanted == outcome(decoder.ours, message), message
        accepted += wanted != "no protobuf"
    # Both answers must be common, or nothing was tried.
    assert 10_000 < accepted < 90_000


@pytest.fixture(scope="module")
def service() -> Iterator[RunningService]:
    """A service whose backend computes nothing, so that calls are many."""
    with launch("null", [], extra_arguments=["--untrained", "5,7,3"]) as service:
        yield service


def answer(method: "grpc.UnaryUnaryMultiCallable[bytes, bytes]", message: bytes) -> tuple[str, str]:
    """Return the status of a call, and what it says."""
    try:
        method(message, timeout=20)
    except grpc.RpcError as error:
        return error.code().name, error.details() or ""
    return "OK", ""


@each_decoder
def test_service_withstands_hostile_bytes(service: RunningService, decoder: Decoder) -> None:
    """No crash, no hang, no status outside the catalogue, no memory lost, and the next client is served."""
    process = psutil.Process(service.process.pid)
    settled = 0
    with grpc.insecure_channel(service.address) as channel:
        method = channel.unary_unary(f"/{decoder.method}", None, None)
        for index, message in enumerate(hostile_messages(decoder.good, 3_000, seed=1)):
            status, words = answer(method, message)
            assert status in CATALOGUE, (message, status, words)
            assert "internal error" not in words, (message, service.log_tail())
            settled = process.memory_info().rss if index == 1_000 else settled
        assert process.memory_info().rss < settled + STEADY_BYTES
        assert ("OK", "") == answer(method, decoder.good[0])


@pytest.mark.parametrize(
    ("method", "message"),
    [
        pytest.param("neural.NeuralService/BatchPredict", b"\x0a\x02\x0a\x00" + b"\x0a\x00" * 2**24, id="inputs"),
        pytest.param("neural.NeuralService/BatchPredict", b"\x0a\x00" * 2**24 + b"\x0a\x02\x0a\x00", id="last-differs"),
        pytest.param("inference.GRPCInferenceService/ModelInfer", b"\x2a\x00" * 2**24, id="tensors"),
        pytest.param("inference.GRPCInferenceService/ModelInfer", b"\x3a\x00" * 2**24, id="raw-entries"),
    ],
)
def test_millions_of_empty_entries_are_refused(service: RunningService, method: str, message: bytes) -> None:
    """Protobuf's classes would be busy with 32 MiB of them for minutes, and take gigabytes."""
    with grpc.insecure_channel(service.address, [("grpc.max_send_message_length", -1)]) as channel:
        with pytest.raises(grpc.RpcError) as error:
            channel.unary_unary(f"/{method}", None, None)(message, timeout=30)
        assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "the message has more than 131072 fields") == (
            error.value.code(),
            error.value.details(),
        )
