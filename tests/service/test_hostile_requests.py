"""The service answers malformed and oversized requests with an error status, and keeps serving."""

from collections.abc import Callable, Iterator

import grpc
import numpy as np
import psutil
import pytest

from runoff.rpc import wire
from runoff.rpc.limits import MAX_BATCH_SIZE
from runoff.rpc.neural import request_codec
from runoff.service.launcher import RunningService, launch
from tests.support.fuzz import hostile_messages
from tests.support.oip import infer_request
from tests.support.request_decoders import (
    BATCH_PREDICT,
    DECODERS,
    MODEL_INFER,
    MODEL_NAME,
    PREDICT,
    Decoder,
    unpacked,
)
from tests.support.test_size import scaled

# Statuses that randomly changed requests may get. INTERNAL is for bytes that are not a valid protobuf message.
ALLOWED_STATUSES = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED", "INTERNAL"}
MESSAGES = scaled(5_000)
# Allocators and caches no longer grow after SETTLED_MESSAGES, so the memory at that point is compared with the memory
# at the end. The observed growth in 4,000 messages is 0.2 MiB.
SETTLED_MESSAGES, MAX_GROWTH_BYTES = MESSAGES // 5, 2 * 2**20


@pytest.fixture(scope="module")
def service() -> Iterator[RunningService]:
    """A service process with the null backend, which computes nothing and so keeps calls fast."""
    with launch("null", [], extra_arguments=["--untrained", "5,7,3"]) as service:
        yield service


@pytest.fixture(scope="module")
def channel(service: RunningService) -> Iterator[grpc.Channel]:
    """A channel to the service without a limit on the size of sent messages."""
    with grpc.insecure_channel(service.address, [("grpc.max_send_message_length", -1)]) as channel:
        yield channel


def send(channel: grpc.Channel, method: str, message: bytes) -> tuple[str, str]:
    """Send a message to a method. Return the status and the details of the call."""
    try:
        channel.unary_unary(f"/{method}", None, None)(message, timeout=60)
    except grpc.RpcError as error:
        return error.code().name, error.details() or ""
    return "OK", ""


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: decoder.method.split("/")[1])
def test_service_survives_malformed_messages(service: RunningService, channel: grpc.Channel, decoder: Decoder) -> None:
    """One broken client must not crash the service, block it, or exhaust its memory."""
    process = psutil.Process(service.process.pid)
    settled_bytes = 0
    for index, message in enumerate(hostile_messages(decoder.valid, MESSAGES, seed=1)):
        status, details = send(channel, decoder.method, message)
        assert status in ALLOWED_STATUSES, (message, status, details)
        assert "internal error" not in details, (message, service.log_tail())
        if index == SETTLED_MESSAGES:
            settled_bytes = process.memory_info().rss
    assert process.memory_info().rss < settled_bytes + MAX_GROWTH_BYTES
    assert ("OK", "") == send(channel, decoder.method, decoder.valid[0])


def field(number: int, content: bytes) -> bytes:
    """Return a length-delimited protobuf field."""
    return wire.varint(number << 3 | 2) + wire.varint(len(content)) + content


def infer_input(content: bytes) -> bytes:
    """Return a serialized ModelInferRequest with one input tensor, of which `content` is the serialized form."""
    return field(5, content)


# Hostile messages of up to 16 MiB. A function makes each one, so that it occupies memory only while it is sent.
MANY_FIELDS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "inputs": (BATCH_PREDICT, lambda: b"\x0a\x02\x0a\x00" + b"\x0a\x00" * 2**23),
    "last-differs": (BATCH_PREDICT, lambda: b"\x0a\x00" * 2**23 + b"\x0a\x02\x0a\x00"),
    "features-mixed": (BATCH_PREDICT, lambda: field(1, (b"\x0a\x04" + b"\x0d" + bytes(4)) * 2**20 + bytes(4))),
    "groups-in-an-input": (BATCH_PREDICT, lambda: field(1, b"\x7b\x7c" * 2**23)),
    "unknown-in-an-input": (BATCH_PREDICT, lambda: field(1, b"\x78\x01" * 2**23)),
    "unknown-behind-inputs": (BATCH_PREDICT, lambda: field(1, field(1, bytes(20))) + b"\x78\x01" * 2**23),
    "predict-features": (PREDICT, lambda: b"\x0d\x00\x00\x80\x3f" * 2**22),
    "predict-unknown": (PREDICT, lambda: field(1, bytes(20)) + b"\x78\x01" * 2**23),
    "tensors": (MODEL_INFER, lambda: b"\x2a\x00" * 2**23),
    "raw-entries": (MODEL_INFER, lambda: b"\x3a\x00" * 2**23),
    "parameters-empty": (MODEL_INFER, lambda: infer_input(b"\x22\x00" * 2**23)),
    "parameters-distinct": (
        MODEL_INFER,
        lambda: infer_input(b"".join(b"\x22\x08\x0a\x06%06x" % index for index in range(2**18))),
    ),
    "parameter-values": (MODEL_INFER, lambda: infer_input(field(4, field(2, b"\x10\x01" * 2**23)))),
    "bytes-contents": (MODEL_INFER, lambda: infer_input(field(5, b"\x42\x00" * 2**23))),
    "bool-contents": (MODEL_INFER, lambda: infer_input(field(5, field(1, b"\x01" * 2**24)))),
    "dimensions": (MODEL_INFER, lambda: infer_input(field(3, b"\x01" * 2**24))),
    "dimensions-one-by-one": (MODEL_INFER, lambda: infer_input(b"\x18\x01" * 2**23)),
    "model-info": ("neural.NeuralService/GetModelInfo", lambda: b"\x0a\x00\x78\x01" * 2**23),
    "model-metadata": ("inference.GRPCInferenceService/ModelMetadata", lambda: b"\x0a\x00\x78\x01" * 2**23),
    "server-live": ("inference.GRPCInferenceService/ServerLive", lambda: b"\x78\x01" * 2**23),
    "requested-parameters": (MODEL_INFER, lambda: field(6, b"\x12\x00" * 2**23)),
}


@pytest.mark.parametrize(("method", "make"), MANY_FIELDS.values(), ids=MANY_FIELDS)
def test_millions_of_small_fields_are_refused(channel: grpc.Channel, method: str, make: Callable[[], bytes]) -> None:
    """Protobuf would take minutes and gigabytes to parse millions of fields, so the service must not even try."""
    status, details = send(channel, method, make())
    assert "RESOURCE_EXHAUSTED" == status
    assert "bytes of the message are neither raw nor packed numbers, the limit is 2097152" in details


@pytest.mark.parametrize("tail", [b"\x0f\x00", b"\x7a\x7f\x00", b"\x78\xff", b"\xff" * 6, b"\x2a" + b"\xff" * 6])
def test_large_message_without_its_end_is_refused(channel: grpc.Channel, tail: bytes) -> None:
    """Only protobuf detects that a message is cut off, so runoff's codec must pass such messages on to protobuf."""
    status, details = send(channel, MODEL_INFER, field(3, b"i" * 2**20) + tail)
    assert "INTERNAL" == status
    assert "not a valid inference.ModelInferRequest" in details


LARGEST_BATCH = np.ones((MAX_BATCH_SIZE, 5), np.float32)
LARGEST_TYPED = infer_request(LARGEST_BATCH, MODEL_NAME, typed=True).SerializeToString()
TYPE_FIRST = wire.text_field(2, "policy")


@pytest.mark.parametrize(
    ("method", "message"),
    [
        pytest.param(MODEL_INFER, LARGEST_TYPED, id="typed"),
        pytest.param(
            BATCH_PREDICT,
            TYPE_FIRST + request_codec.encode_batch_predict(LARGEST_BATCH, "", ""),
            id="type-before-inputs",
        ),
        pytest.param(BATCH_PREDICT, TYPE_FIRST + field(1, unpacked(LARGEST_BATCH[0])) * 40_000, id="unpacked"),
        pytest.param(MODEL_INFER, b"\x7b" + field(5, b"\xff" * 6) + b"\x7c" + LARGEST_TYPED, id="behind-a-group"),
    ],
)
def test_largest_legal_request_is_answered_in_any_layout(channel: grpc.Channel, method: str, message: bytes) -> None:
    """Clients may order and encode fields in several ways. The service must accept the largest batch in each way."""
    assert ("OK", "") == send(channel, method, message)
