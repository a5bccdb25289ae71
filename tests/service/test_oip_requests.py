"""What our service answers in the Open Inference Protocol, to good requests and to each kind of bad one."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from runoff.models.mlp import Kind
from runoff.rpc.oip import codec
from runoff.rpc.oip.inference_pb2 import (
    ModelInferRequest,
    ModelInferResponse,
    ModelMetadataRequest,
    ModelMetadataResponse,
    ModelReadyRequest,
    ModelReadyResponse,
    ServerLiveResponse,
    ServerMetadataResponse,
    ServerReadyResponse,
)
from runoff.service.server import Server
from tests.support.models import random_mlp
from tests.support.oip import call, infer_request, numbers, refusal
from tests.support.services import WatchedBackend, served

BATCH = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
GOOD = infer_request(BATCH).SerializeToString()


@pytest.fixture
def backend() -> WatchedBackend:
    """The backend of the model named first."""
    return WatchedBackend(random_mlp())


@pytest.fixture
def server(backend: WatchedBackend) -> Iterator[Server]:
    """A service of a policy and a value model."""
    with served({"first": backend, "second": WatchedBackend(random_mlp(Kind.VALUE, seed=1))}) as server:
        yield server


@pytest.mark.parametrize("typed", [False, True], ids=["raw", "typed"])
def test_reply_is_in_the_form_of_the_request(server: Server, backend: WatchedBackend, typed: bool) -> None:
    """A client that writes one form is sure to read it."""
    reply = call(server.address, "ModelInfer", infer_request(BATCH, typed=typed).SerializeToString())
    np.testing.assert_allclose(backend.mlp.forward(BATCH), numbers(reply), rtol=1e-6)
    response = ModelInferResponse.FromString(reply)
    assert ([] if typed else [48]) == [len(entry) for entry in response.raw_output_contents]
    assert ["output"] == [tensor.name for tensor in response.outputs]


def test_every_loaded_model_answers_by_its_name(server: Server) -> None:
    """Whatever its kind: the protocol knows no kinds."""
    reply = call(server.address, "ModelInfer", infer_request(BATCH, "second").SerializeToString())
    np.testing.assert_allclose(random_mlp(Kind.VALUE, seed=1).forward(BATCH), numbers(reply), rtol=1e-6)


def test_reply_repeats_name_and_id_and_tells_the_version(server: Server) -> None:
    """A client with several calls in flight tells replies by their ids."""
    request = infer_request(BATCH)
    request.id = "call 7"
    response = ModelInferResponse.FromString(call(server.address, "ModelInfer", request.SerializeToString()))
    assert ("first", "1", "call 7") == (response.model_name, response.model_version, response.id)


@pytest.mark.parametrize("size", [600, 200_000], ids=["longer-than-kept", "huge"])
def test_id_of_any_length_is_repeated(server: Server, size: int) -> None:
    """Headers are remembered up to some length, and right beyond it."""
    request = infer_request(BATCH)
    request.id = "i" * size
    response = ModelInferResponse.FromString(call(server.address, "ModelInfer", request.SerializeToString()))
    assert request.id == response.id


def _with(change: Callable[[ModelInferRequest], object], *, typed: bool = False) -> bytes:
    """Return a good request with a change."""
    request = infer_request(BATCH, typed=typed)
    change(request)
    return request.SerializeToString()


def _parameter(request: ModelInferRequest, name: str) -> None:
    request.inputs[0].parameters[name].string_param = "x"


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(_with(lambda r: setattr(r, "model_version", "1")), id="version"),
        pytest.param(_with(lambda r: r.outputs.add(name="output")), id="output-asked-for"),
        pytest.param(_with(lambda r: _parameter(r, "priority")), id="hint-on-the-input"),
        pytest.param(_with(lambda r: r.parameters["sequence_id"].SetInParent()), id="hint-on-the-request"),
        pytest.param(_with(lambda r: r.inputs[0].contents.SetInParent()), id="empty-contents-beside-raw"),
        pytest.param(GOOD + b"\x78\x01", id="unknown-field-behind"),
        pytest.param(b"\x78\x01" + GOOD, id="unknown-field-before"),
        pytest.param(GOOD[GOOD.index(b"\x3a\x50") :] + GOOD[: GOOD.index(b"\x3a\x50")], id="raw-first"),
    ],
)
def test_other_spellings_of_a_good_request_are_answered(
    server: Server, backend: WatchedBackend, message: bytes
) -> None:
    """The fast way reads one layout; protobuf allows many."""
    np.testing.assert_allclose(
        backend.mlp.forward(BATCH), numbers(call(server.address, "ModelInfer", message)), rtol=1e-6
    )


def _spoiled(batch: object) -> bytes:
    return infer_request(np.array(batch, np.float32)).SerializeToString()


NAN, INFINITY = float("nan"), float("inf")
BAD = [
    pytest.param(_with(lambda r: setattr(r, "model_name", "third")), "NOT_FOUND", "no model named 'third'", id="model"),
    pytest.param(_with(lambda r: setattr(r, "model_name", "")), "NOT_FOUND", "'first, second'", id="no-model-name"),
    pytest.param(
        _with(lambda r: setattr(r, "model_version", "2")), "NOT_FOUND", "no version '2', expected '1'", id="v"
    ),
    pytest.param(
        _with(lambda r: setattr(r.inputs[0], "name", "x" * 999)),
        "INVALID_ARGUMENT",
        "…, expected one named 'input'",
        id="input-name",
    ),
    pytest.param(
        _with(lambda r: r.ClearField("inputs")), "INVALID_ARGUMENT", "inputs are [], expected one", id="no-input"
    ),
    pytest.param(
        _with(lambda r: r.inputs.append(r.inputs[0])), "INVALID_ARGUMENT", "['input', 'input']", id="two-inputs"
    ),
    pytest.param(
        _with(lambda r: r.outputs.add(name="logits")), "INVALID_ARGUMENT", "['logits'], expected 'output'", id="output"
    ),
    pytest.param(
        _with(lambda r: (r.outputs.add(name="output"), r.outputs.add(name="output"))),
        "INVALID_ARGUMENT",
        "expected 'output' once",
        id="output-twice",
    ),
    pytest.param(
        _with(lambda r: setattr(r.inputs[0], "datatype", "FP64")),
        "INVALID_ARGUMENT",
        "is 'FP64', expected 'FP32'",
        id="datatype",
    ),
    pytest.param(
        _with(lambda r: r.inputs[0].shape.__setitem__(1, 6)),
        "INVALID_ARGUMENT",
        "is [4, 6], expected [batch size of at least 1, 5]",
        id="features",
    ),
    pytest.param(
        _with(lambda r: r.inputs[0].shape.append(1)), "INVALID_ARGUMENT", "is [4, 5, 1], expected", id="dimensions"
    ),
    pytest.param(
        _with(lambda r: r.inputs[0].shape.__setitem__(0, 0)), "INVALID_ARGUMENT", "is [0, 5]", id="batch-of-none"
    ),
    pytest.param(
        _with(lambda r: r.inputs[0].shape.__setitem__(0, -4)), "INVALID_ARGUMENT", "is [-4, 5]", id="batch-negative"
    ),
    pytest.param(
        _with(lambda r: r.inputs[0].shape.__setitem__(0, 3)),
        "INVALID_ARGUMENT",
        "has 80 bytes, expected 60 for FP32 of shape [3, 5]",
        id="raw-size",
    ),
    pytest.param(
        _with(lambda r: r.raw_input_contents.append(b"")), "INVALID_ARGUMENT", "has 2 entries, expected 1", id="raw-two"
    ),
    # The fast way would jump over the second entry if it took other fields for texts.
    pytest.param(b"\x78\x02\x3a\x00" + GOOD, "INVALID_ARGUMENT", "has 2 entries", id="raw-two-behind-a-number"),
    pytest.param(b"\x82\x03\x00\x3a\x00" + GOOD, "INVALID_ARGUMENT", "has 2 entries", id="raw-two-behind-field-48"),
    pytest.param(
        _with(lambda r: r.inputs[0].contents.fp32_contents.extend([1.0] * 20)),
        "INVALID_ARGUMENT",
        "fp32_contents beside raw_input_contents",
        id="raw-and-typed",
    ),
    pytest.param(
        _with(lambda r: r.ClearField("raw_input_contents")),
        "INVALID_ARGUMENT",
        "fp32_contents has 0 numbers, expected 20 for shape [4, 5]",
        id="no-numbers",
    ),
    pytest.param(
        _with(lambda r: r.inputs[0].contents.fp32_contents.pop(), typed=True),
        "INVALID_ARGUMENT",
        "fp32_contents has 19 numbers, expected 20",
        id="typed-count",
    ),
    pytest.param(
        _with(lambda r: r.inputs[0].contents.fp64_contents.append(1.0), typed=True),
        "INVALID_ARGUMENT",
        "has fp64_contents, expected fp32_contents for FP32",
        id="typed-of-another-datatype",
    ),
    pytest.param(
        _with(lambda r: _parameter(r, "shared_memory_region")),
        "INVALID_ARGUMENT",
        "the parameter 'shared_memory_region'",
        id="shared-memory",
    ),
    pytest.param(
        _with(lambda r: r.outputs.add(name="output").parameters["classification"].SetInParent()),
        "INVALID_ARGUMENT",
        "the parameter 'classification'",
        id="classification",
    ),
    pytest.param(_spoiled([[0, 1, NAN, 2, 3]]), "INVALID_ARGUMENT", "feature 2 of sample 0 is nan", id="nan"),
    pytest.param(
        _spoiled([[0] * 5, [-INFINITY, 1, 2, 3, 4]]), "INVALID_ARGUMENT", "feature 0 of sample 1 is -inf", id="infinity"
    ),
    pytest.param(_spoiled(np.zeros((101, 5))), "RESOURCE_EXHAUSTED", "101 samples, the limit is 100", id="batch-limit"),
    pytest.param(
        _with(lambda r: r.inputs[0].shape.__setitem__(0, 2**62)),
        "RESOURCE_EXHAUSTED",
        "4611686018427387904 samples, the limit is 100",
        id="batch-no-memory-holds",
    ),
    pytest.param(_spoiled(np.zeros((60_000, 5))), "RESOURCE_EXHAUSTED", "1048576", id="message-limit"),
    pytest.param(b"\xff\xff\xff", "INTERNAL", "3 bytes are no inference.ModelInferRequest", id="no-protobuf"),
    pytest.param(GOOD[:-1], "INTERNAL", "no inference.ModelInferRequest", id="cut-protobuf"),
    pytest.param(b"\x0a\x02\xff\xfe" + GOOD, "INTERNAL", "no inference.ModelInferRequest", id="name-no-utf8"),
]


@pytest.mark.parametrize(("message", "status", "words"), BAD)
def test_bad_request_is_refused_with_found_and_expected(
    server: Server, backend: WatchedBackend, message: bytes, status: str, words: str
) -> None:
    """A client's author must see from the reply alone what to change; and the next client must not suffer."""
    found_status, found_words = refusal(server.address, "ModelInfer", message)
    assert status == found_status
    assert words in found_words
    assert [] == backend.batch_sizes
    assert ("OK", "") == refusal(server.address, "ModelInfer", GOOD)


@pytest.mark.parametrize("part", ["shape", "parameters", "requested"])
def test_few_of_many_dimensions_and_parameters_are_looked_at(part: str) -> None:
    """A hostile message within the limits has 100,000; as Python objects, and in a refusal's words, they take long."""
    request = infer_request(BATCH)
    if part == "shape":
        request.inputs[0].shape.extend([1] * 1000)
    else:
        parameters = request.inputs[0].parameters if part == "parameters" else request.outputs.add().parameters
        for index in range(1000):
            parameters[str(index)].bool_param = True
    header = codec.decode_request(request.SerializeToString()).header
    [tensor] = header.requested if part == "requested" else header.tensors
    assert 16 == len(tensor.shape if part == "shape" else tensor.parameters)


@pytest.mark.parametrize("part", ["inputs", "outputs"])
def test_few_of_many_tensors_are_looked_at(part: str) -> None:
    """Half a megabyte holds 100,000 of each, which take seconds to make Python objects of."""
    request = infer_request(BATCH)
    for _ in range(1000):
        getattr(request, part).add()
    header = codec.decode_request(request.SerializeToString()).header
    assert 16 == len(header.tensors if part == "inputs" else header.requested)


def test_reply_over_the_message_limit_is_refused_before_it_is_computed() -> None:
    """gRPC would refuse to send it, after everything was computed."""
    backend = WatchedBackend(random_mlp(input_size=1, output_size=2000))
    with served({"first": backend}, max_message_bytes=50_000) as server:
        message = infer_request(np.zeros((7, 1), np.float32)).SerializeToString()
        status, words = refusal(server.address, "ModelInfer", message)
    assert "RESOURCE_EXHAUSTED" == status
    assert "the limit is 50000" in words
    assert [] == backend.batch_sizes


def test_methods_that_are_not_served_are_unimplemented(server: Server) -> None:
    """Triton's extensions are no part of the protocol."""
    assert "UNIMPLEMENTED" == refusal(server.address, "RepositoryIndex", b"")[0]


def test_metadata_is_what_a_request_must_be(server: Server) -> None:
    """Clients make their requests from it."""
    request = ModelMetadataRequest(name="second").SerializeToString()
    metadata = ModelMetadataResponse.FromString(call(server.address, "ModelMetadata", request))
    assert ("second", ["1"], "watched") == (metadata.name, list(metadata.versions), metadata.platform)
    tensors = [*metadata.inputs, *metadata.outputs]
    found = [(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in tensors]
    assert [("input", "FP32", [-1, 5]), ("output", "FP32", [-1, 1])] == found


@pytest.mark.parametrize(("name", "version"), [("third", ""), ("first", "2")])
def test_metadata_of_a_model_that_is_not_there_is_not_found(server: Server, name: str, version: str) -> None:
    """As ModelInfer of it would be."""
    request = ModelMetadataRequest(name=name, version=version).SerializeToString()
    assert "NOT_FOUND" == refusal(server.address, "ModelMetadata", request)[0]


def test_service_tells_its_name_and_that_it_lives(server: Server) -> None:
    """Operators' tools ask for both first."""
    assert "runoff" == ServerMetadataResponse.FromString(call(server.address, "ServerMetadata", b"")).name
    assert ServerLiveResponse.FromString(call(server.address, "ServerLive", b"")).live


@pytest.mark.parametrize(
    ("name", "version", "ready"),
    [("first", "", True), ("second", "1", True), ("first", "2", False), ("third", "", False), ("", "", False)],
)
def test_model_is_ready_if_it_is_there(server: Server, name: str, version: str, ready: bool) -> None:
    """A model that is not there is not ready; Triton answers so, too."""
    request = ModelReadyRequest(name=name, version=version).SerializeToString()
    assert ready == ModelReadyResponse.FromString(call(server.address, "ModelReady", request)).ready


def test_nothing_is_ready_while_models_are_loaded() -> None:
    """A load balancer sends nothing before."""
    server = Server("127.0.0.1", 0)
    server.start()
    try:
        assert ServerLiveResponse.FromString(call(server.address, "ServerLive", b"")).live
        assert not ServerReadyResponse.FromString(call(server.address, "ServerReady", b"")).ready
        ready = call(server.address, "ModelReady", ModelReadyRequest(name="first").SerializeToString())
        assert not ModelReadyResponse.FromString(ready).ready
        assert "UNAVAILABLE" == refusal(server.address, "ModelInfer", GOOD)[0]
    finally:
        server.stop(0).wait(5)


def test_service_is_ready_once_it_has_models(server: Server) -> None:
    """And not earlier, see above."""
    assert ServerReadyResponse.FromString(call(server.address, "ServerReady", b"")).ready


@pytest.mark.parametrize("method", ["ServerLive", "ServerReady", "ServerMetadata"])
def test_bytes_that_are_no_message_are_refused_everywhere(server: Server, method: str) -> None:
    """Also where the message has no fields and nothing in it is read."""
    assert refusal(server.address, method, b"\xff\xff\xff")[0] == "INTERNAL"
