"""Over the Open Inference Protocol, the service refuses invalid requests with a status and a reason."""

from collections.abc import Iterator

import numpy as np
import pytest

from runoff.service.server import Server
from tests.support.models import random_mlp
from tests.support.oip import infer_request, refusal
from tests.support.oip_requests import VALID, add_parameter, changed_request, serve_policy_and_value
from tests.support.services import WatchedBackend, served


@pytest.fixture
def server(backend: WatchedBackend) -> Iterator[Server]:
    """A service with the policy `first` and the value network `second`."""
    with serve_policy_and_value(backend) as server:
        yield server


def request_of(batch: object) -> bytes:
    """Return a raw request with a batch."""
    return infer_request(np.array(batch, np.float32)).SerializeToString()


NAN, INFINITY = float("nan"), float("inf")
INVALID = [
    pytest.param(
        changed_request(lambda r: setattr(r, "model_name", "third")), "NOT_FOUND", "no model named 'third'", id="model"
    ),
    pytest.param(
        changed_request(lambda r: setattr(r, "model_name", "")), "NOT_FOUND", "'first, second'", id="no-model-name"
    ),
    pytest.param(
        changed_request(lambda r: setattr(r, "model_version", "2")),
        "NOT_FOUND",
        "no version '2', expected '1'",
        id="version",
    ),
    pytest.param(
        changed_request(lambda r: setattr(r.inputs[0], "name", "x" * 999)),
        "INVALID_ARGUMENT",
        "…, expected one named 'input'",
        id="input-name",
    ),
    pytest.param(
        changed_request(lambda r: r.ClearField("inputs")),
        "INVALID_ARGUMENT",
        "inputs are [], expected one",
        id="no-input",
    ),
    pytest.param(
        changed_request(lambda r: r.inputs.append(r.inputs[0])),
        "INVALID_ARGUMENT",
        "['input', 'input']",
        id="two-inputs",
    ),
    pytest.param(
        changed_request(lambda r: r.outputs.add(name="logits")),
        "INVALID_ARGUMENT",
        "['logits'], expected 'output'",
        id="output",
    ),
    pytest.param(
        changed_request(lambda r: (r.outputs.add(name="output"), r.outputs.add(name="output"))),
        "INVALID_ARGUMENT",
        "expected 'output' once",
        id="output-twice",
    ),
    pytest.param(
        changed_request(lambda r: setattr(r.inputs[0], "datatype", "FP64")),
        "INVALID_ARGUMENT",
        "is 'FP64', expected 'FP32'",
        id="datatype",
    ),
    pytest.param(
        changed_request(lambda r: r.inputs[0].shape.__setitem__(1, 6)),
        "INVALID_ARGUMENT",
        "is [4, 6], expected [batch size of at least 1, 5]",
        id="features",
    ),
    pytest.param(
        changed_request(lambda r: r.inputs[0].shape.append(1)),
        "INVALID_ARGUMENT",
        "is [4, 5, 1], expected",
        id="dimensions",
    ),
    pytest.param(
        changed_request(lambda r: r.inputs[0].shape.__setitem__(0, 0)),
        "INVALID_ARGUMENT",
        "is [0, 5]",
        id="batch-empty",
    ),
    pytest.param(
        changed_request(lambda r: r.inputs[0].shape.__setitem__(0, -4)),
        "INVALID_ARGUMENT",
        "is [-4, 5]",
        id="batch-negative",
    ),
    pytest.param(
        changed_request(lambda r: r.inputs[0].shape.__setitem__(0, 3)),
        "INVALID_ARGUMENT",
        "has 80 bytes, expected 60 for FP32 of shape [3, 5]",
        id="raw-size",
    ),
    pytest.param(
        changed_request(lambda r: r.raw_input_contents.append(b"")),
        "INVALID_ARGUMENT",
        "has 2 entries, expected 1",
        id="raw-two",
    ),
    # If the codec's fast path mistook the number in such a field for a length, it would skip the first of two entries.
    pytest.param(b"\x78\x02\x3a\x00" + VALID, "INVALID_ARGUMENT", "has 2 entries", id="raw-two-behind-a-number"),
    pytest.param(b"\x82\x03\x00\x3a\x00" + VALID, "INVALID_ARGUMENT", "has 2 entries", id="raw-two-behind-field-48"),
    pytest.param(
        changed_request(lambda r: r.inputs[0].contents.fp32_contents.extend([1.0] * 20)),
        "INVALID_ARGUMENT",
        "fp32_contents beside raw_input_contents",
        id="raw-and-typed",
    ),
    pytest.param(
        changed_request(lambda r: r.ClearField("raw_input_contents")),
        "INVALID_ARGUMENT",
        "fp32_contents has 0 numbers, expected 20 for shape [4, 5]",
        id="no-numbers",
    ),
    pytest.param(
        changed_request(lambda r: r.inputs[0].contents.fp32_contents.pop(), typed=True),
        "INVALID_ARGUMENT",
        "fp32_contents has 19 numbers, expected 20",
        id="typed-count",
    ),
    pytest.param(
        changed_request(lambda r: r.inputs[0].contents.fp64_contents.append(1.0), typed=True),
        "INVALID_ARGUMENT",
        "has fp64_contents, expected fp32_contents for FP32",
        id="typed-of-another-datatype",
    ),
    pytest.param(
        changed_request(lambda r: add_parameter(r, "shared_memory_region")),
        "INVALID_ARGUMENT",
        "the parameter 'shared_memory_region'",
        id="shared-memory",
    ),
    pytest.param(
        changed_request(lambda r: r.outputs.add(name="output").parameters["classification"].SetInParent()),
        "INVALID_ARGUMENT",
        "the parameter 'classification'",
        id="classification",
    ),
    pytest.param(request_of([[0, 1, NAN, 2, 3]]), "INVALID_ARGUMENT", "feature 2 of sample 0 is nan", id="nan"),
    pytest.param(
        request_of([[0] * 5, [-INFINITY, 1, 2, 3, 4]]),
        "INVALID_ARGUMENT",
        "feature 0 of sample 1 is -inf",
        id="infinity",
    ),
    pytest.param(
        request_of(np.zeros((101, 5))), "RESOURCE_EXHAUSTED", "101 samples, the limit is 100", id="batch-limit"
    ),
    pytest.param(
        changed_request(lambda r: r.inputs[0].shape.__setitem__(0, 2**62)),
        "RESOURCE_EXHAUSTED",
        "4611686018427387904 samples, the limit is 100",
        id="batch-beyond-any-memory",
    ),
    pytest.param(request_of(np.zeros((60_000, 5))), "RESOURCE_EXHAUSTED", "1048576", id="message-limit"),
    pytest.param(b"\xff\xff\xff", "INTERNAL", "3 bytes are not a valid inference.ModelInferRequest", id="no-protobuf"),
    pytest.param(VALID[:-1], "INTERNAL", "not a valid inference.ModelInferRequest", id="cut-protobuf"),
    pytest.param(b"\x0a\x02\xff\xfe" + VALID, "INTERNAL", "not a valid inference.ModelInferRequest", id="name-no-utf8"),
]


@pytest.mark.parametrize(("message", "status", "message_part"), INVALID)
def test_invalid_request_is_refused_with_the_reason(
    server: Server, backend: WatchedBackend, message: bytes, status: str, message_part: str
) -> None:
    """The error alone must show a client's author what to change, and the service must keep serving."""
    found_status, found_message = refusal(server.address, "ModelInfer", message)
    assert status == found_status
    assert message_part in found_message
    assert [] == backend.batch_sizes
    assert ("OK", "") == refusal(server.address, "ModelInfer", VALID)


def test_batch_whose_response_exceeds_the_limit_is_not_computed() -> None:
    """Without this check, the service would compute all outputs and gRPC would then fail to send them."""
    backend = WatchedBackend(random_mlp(input_size=1, output_size=2000))
    with served({"first": backend}, max_message_bytes=50_000) as server:
        message = infer_request(np.zeros((7, 1), np.float32)).SerializeToString()
        status, details = refusal(server.address, "ModelInfer", message)
    assert "RESOURCE_EXHAUSTED" == status
    assert "the limit is 50000" in details
    assert [] == backend.batch_sizes


def test_method_that_is_not_served_is_unimplemented(server: Server) -> None:
    """Triton adds methods to the protocol. A client that calls one must learn that runoff's service lacks it."""
    assert "UNIMPLEMENTED" == refusal(server.address, "RepositoryIndex", b"")[0]


@pytest.mark.parametrize("method", ["ServerLive", "ServerReady", "ServerMetadata"])
def test_bytes_that_are_no_message_are_refused_by_every_method(server: Server, method: str) -> None:
    """The service reads no field of these requests, so it notices malformed ones only if it parses them anyway."""
    assert refusal(server.address, method, b"\xff\xff\xff")[0] == "INTERNAL"
