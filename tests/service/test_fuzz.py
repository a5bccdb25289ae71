"""Every request decoder against hostile bytes: protobuf's own parser is the judge of what they mean."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import grpc
import numpy as np
import psutil
import pytest
from google.protobuf.message import DecodeError

from runoff.rpc import wire
from runoff.rpc.limits import MAX_BATCH_SIZE
from runoff.rpc.neural import request_codec
from runoff.rpc.neural.neural_pb2 import BatchPredictRequest, PredictRequest
from runoff.rpc.oip import codec, headers
from runoff.rpc.oip.inference_pb2 import ModelInferRequest
from runoff.service.launcher import RunningService, launch
from tests.support.fuzz import hostile_messages

Facts = tuple[object, ...]
BATCH = np.random.default_rng(0).random((3, 5), dtype=np.float32)
# What may come back for any bytes at all; INTERNAL only for those that are no protobuf.
CATALOGUE = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED", "INTERNAL"}
# After how many messages allocators and caches have settled, and what may be added in the rest: 50 bytes a message of
# 80,000 that are decoded here, 500 a message of 4,000 that are sent. A tenth of either is what has been seen.
STEADY_DECODED, STEADY_SENT = (20_000, 4 * 2**20), (1_000, 2 * 2**20)


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


def infer_facts(request: codec.InferMessage) -> Facts:
    raw = [entry.tobytes() for entry in request.raw]
    # Raw and typed are refused by the header, which tells of both; then nobody looks at the numbers.
    return request.header, raw, [] if raw else request.fp32.tolist()


def infer_reference(message: bytes) -> Facts:
    request = ModelInferRequest.FromString(message)
    contents = [field.name for field, _ in request.inputs[0].contents.ListFields()] if request.inputs else []
    fp32 = list(request.inputs[0].contents.fp32_contents) if contents[:1] == ["fp32_contents"] else []
    raw = list(request.raw_input_contents)
    return headers.read_request(request), raw, [] if raw else fp32


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
    """A fast path that misreads one layout would compute for numbers that nobody sent; one that keeps any, fill up."""
    process = psutil.Process()
    accepted = settled = 0
    for index, message in enumerate(hostile_messages(decoder.good, 100_000)):
        settled = process.memory_info().rss if index == STEADY_DECODED[0] else settled
        wanted = outcome(decoder.reference, message)
        assert wanted == outcome(decoder.ours, message), message
        accepted += wanted != "no protobuf"
    # Both answers must be common, or nothing was tried.
    assert 10_000 < accepted < 90_000
    assert process.memory_info().rss < settled + STEADY_DECODED[1]


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
        for index, message in enumerate(hostile_messages(decoder.good, 5_000, seed=1)):
            status, words = answer(method, message)
            assert status in CATALOGUE, (message, status, words)
            assert "internal error" not in words, (message, service.log_tail())
            settled = process.memory_info().rss if index == STEADY_SENT[0] else settled
        assert process.memory_info().rss < settled + STEADY_SENT[1]
        assert ("OK", "") == answer(method, decoder.good[0])


def field(number: int, content: bytes) -> bytes:
    """Return a field of bytes."""
    return wire.varint(number << 3 | 2) + wire.varint(len(content)) + content


def infer_input(content: bytes) -> bytes:
    """Return a ModelInferRequest whose input holds just this."""
    return field(5, content)


BATCH_PREDICT, MODEL_INFER = "neural.NeuralService/BatchPredict", "inference.GRPCInferenceService/ModelInfer"
# Up to 16 MiB each, made only when they are sent.
MILLIONS: list[tuple[str, str, Callable[[], bytes]]] = [
    ("inputs", BATCH_PREDICT, lambda: b"\x0a\x02\x0a\x00" + b"\x0a\x00" * 2**23),
    ("last-differs", BATCH_PREDICT, lambda: b"\x0a\x00" * 2**23 + b"\x0a\x02\x0a\x00"),
    ("features-mixed", BATCH_PREDICT, lambda: field(1, (b"\x0a\x04" + b"\x0d" + bytes(4)) * 2**20 + bytes(4))),
    ("groups-in-an-input", BATCH_PREDICT, lambda: field(1, b"\x7b\x7c" * 2**23)),
    ("unknown-in-an-input", BATCH_PREDICT, lambda: field(1, b"\x78\x01" * 2**23)),
    ("unknown-behind-inputs", BATCH_PREDICT, lambda: field(1, field(1, bytes(20))) + b"\x78\x01" * 2**23),
    ("predict-features", "neural.NeuralService/Predict", lambda: b"\x0d\x00\x00\x80\x3f" * 2**22),
    ("predict-unknown", "neural.NeuralService/Predict", lambda: field(1, bytes(20)) + b"\x78\x01" * 2**23),
    ("tensors", MODEL_INFER, lambda: b"\x2a\x00" * 2**23),
    ("raw-entries", MODEL_INFER, lambda: b"\x3a\x00" * 2**23),
    ("parameters-empty", MODEL_INFER, lambda: infer_input(b"\x22\x00" * 2**23)),
    (
        "parameters-distinct",
        MODEL_INFER,
        lambda: infer_input(b"".join(b"\x22\x08\x0a\x06%06x" % index for index in range(2**18))),
    ),
    ("parameter-values", MODEL_INFER, lambda: infer_input(field(4, field(2, b"\x10\x01" * 2**23)))),
    ("bytes-contents", MODEL_INFER, lambda: infer_input(field(5, b"\x42\x00" * 2**23))),
    ("bool-contents", MODEL_INFER, lambda: infer_input(field(5, field(1, b"\x01" * 2**24)))),
    ("dimensions", MODEL_INFER, lambda: infer_input(field(3, b"\x01" * 2**24))),
    ("dimensions-one-by-one", MODEL_INFER, lambda: infer_input(b"\x18\x01" * 2**23)),
    ("model-info", "neural.NeuralService/GetModelInfo", lambda: b"\x0a\x00\x78\x01" * 2**23),
    ("model-metadata", "inference.GRPCInferenceService/ModelMetadata", lambda: b"\x0a\x00\x78\x01" * 2**23),
    ("server-live", "inference.GRPCInferenceService/ServerLive", lambda: b"\x78\x01" * 2**23),
    ("requested-parameters", MODEL_INFER, lambda: field(6, b"\x12\x00" * 2**23)),
]


@pytest.mark.parametrize(("method", "make"), [pytest.param(method, make, id=name) for name, method, make in MILLIONS])
def test_millions_of_small_fields_are_refused(service: RunningService, method: str, make: Callable[[], bytes]) -> None:
    """Wherever they are: protobuf's classes would be busy with them for seconds to minutes, and take gigabytes."""
    with grpc.insecure_channel(service.address, [("grpc.max_send_message_length", -1)]) as channel:
        with pytest.raises(grpc.RpcError) as error:
            channel.unary_unary(f"/{method}", None, None)(make(), timeout=30)
        assert grpc.StatusCode.RESOURCE_EXHAUSTED is error.value.code()
        assert "bytes of the message are neither raw nor packed numbers, the limit is 2097152" in (
            error.value.details() or ""
        )


@pytest.mark.parametrize("tail", [b"\x0f\x00", b"\x7a\x7f\x00", b"\x78\xff", b"\xff" * 6, b"\x2a" + b"\xff" * 6])
def test_large_message_that_breaks_off_is_none(service: RunningService, tail: bytes) -> None:
    """Counting must not end a call otherwise than parsing would have."""
    with grpc.insecure_channel(service.address) as channel:
        method = channel.unary_unary(f"/{MODEL_INFER}", None, None)
        status, words = answer(method, field(3, b"i" * 2**20) + tail)
    assert "INTERNAL" == status
    assert "no inference.ModelInferRequest" in words


def typed_of(batch: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> bytes:
    request = ModelInferRequest(model_name="untrained_5_7_3_policy")
    contents = request.inputs.add(name="input", datatype="FP32", shape=batch.shape).contents
    contents.fp32_contents.extend(batch.ravel())
    return request.SerializeToString()


LARGEST = np.ones((MAX_BATCH_SIZE, 5), np.float32)
UNPACKED = (b"\x0d" + np.float32(1).tobytes()) * 5


@pytest.mark.parametrize(
    ("method", "message"),
    [
        pytest.param(MODEL_INFER, typed_of(LARGEST), id="typed"),
        pytest.param(
            BATCH_PREDICT,
            wire.text_field(2, "policy") + request_codec.encode_batch_predict(LARGEST, "", ""),
            id="type-before-inputs",
        ),
        pytest.param(BATCH_PREDICT, wire.text_field(2, "policy") + field(1, UNPACKED) * 40_000, id="unpacked"),
        pytest.param(MODEL_INFER, b"\x7b" + field(5, b"\xff" * 6) + b"\x7c" + typed_of(LARGEST), id="behind-a-group"),
    ],
)
def test_largest_legal_requests_of_any_spelling_are_answered(
    service: RunningService, method: str, message: bytes
) -> None:
    """Those that protobuf has to parse are counted; nobody's request may be refused for its spelling."""
    with grpc.insecure_channel(service.address, [("grpc.max_receive_message_length", -1)]) as channel:
        assert ("OK", "") == answer(channel.unary_unary(f"/{method}", None, None), message)
