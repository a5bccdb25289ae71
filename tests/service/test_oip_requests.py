"""Over the Open Inference Protocol, the service answers every legal form of a request."""

from collections.abc import Iterator

import numpy as np
import pytest

from runoff.models.mlp import Kind
from runoff.rpc.oip.inference_pb2 import (
    ModelInferResponse,
)
from runoff.service.server import Server
from tests.support.models import random_mlp
from tests.support.oip import call, infer_request, numbers
from tests.support.oip_requests import BATCH, VALID, add_parameter, changed_request, serve_policy_and_value
from tests.support.services import WatchedBackend


@pytest.fixture
def server(backend: WatchedBackend) -> Iterator[Server]:
    """A service with the policy `first` and the value network `second`."""
    with serve_policy_and_value(backend) as server:
        yield server


@pytest.mark.parametrize("typed", [False, True], ids=["raw", "typed"])
def test_response_has_the_form_of_the_request(server: Server, backend: WatchedBackend, typed: bool) -> None:
    """A client may be able to read only the form that it sends, so the response must have the same form."""
    response = call(server.address, "ModelInfer", infer_request(BATCH, typed=typed).SerializeToString())
    np.testing.assert_allclose(backend.mlp.forward(BATCH), numbers(response), rtol=1e-6)
    parsed = ModelInferResponse.FromString(response)
    assert ([] if typed else [48]) == [len(entry) for entry in parsed.raw_output_contents]
    assert ["output"] == [tensor.name for tensor in parsed.outputs]


def test_every_model_is_found_by_its_name(server: Server) -> None:
    """The protocol does not distinguish policies from value networks, so the name alone must select the model."""
    response = call(server.address, "ModelInfer", infer_request(BATCH, "second").SerializeToString())
    np.testing.assert_allclose(random_mlp(Kind.VALUE, seed=1).forward(BATCH), numbers(response), rtol=1e-6)


def test_response_contains_model_name_version_and_request_id(server: Server) -> None:
    """A client with several calls in flight matches responses with requests by id, so the id must be repeated."""
    request = infer_request(BATCH)
    request.id = "call 7"
    response = ModelInferResponse.FromString(call(server.address, "ModelInfer", request.SerializeToString()))
    assert ("first", "1", "call 7") == (response.model_name, response.model_version, response.id)


@pytest.mark.parametrize("size", [600, 200_000], ids=["too-long-for-the-cache", "huge"])
def test_id_of_any_length_is_repeated(server: Server, size: int) -> None:
    """The codec caches only short headers, so an id that makes the header long takes a different code path."""
    request = infer_request(BATCH)
    request.id = "i" * size
    response = ModelInferResponse.FromString(call(server.address, "ModelInfer", request.SerializeToString()))
    assert request.id == response.id


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(changed_request(lambda r: setattr(r, "model_version", "1")), id="version"),
        pytest.param(changed_request(lambda r: r.outputs.add(name="output")), id="output-requested"),
        pytest.param(changed_request(lambda r: add_parameter(r, "priority")), id="hint-on-the-input"),
        pytest.param(changed_request(lambda r: r.parameters["sequence_id"].SetInParent()), id="hint-on-the-request"),
        pytest.param(changed_request(lambda r: r.inputs[0].contents.SetInParent()), id="empty-contents-beside-raw"),
        pytest.param(VALID + b"\x78\x01", id="unknown-field-behind"),
        pytest.param(b"\x78\x01" + VALID, id="unknown-field-before"),
        pytest.param(VALID[VALID.index(b"\x3a\x50") :] + VALID[: VALID.index(b"\x3a\x50")], id="raw-first"),
    ],
)
def test_every_layout_of_a_valid_request_is_answered(server: Server, backend: WatchedBackend, message: bytes) -> None:
    """Protobuf allows many layouts of a message. The codec's fast path reads only one, so others need a fallback."""
    np.testing.assert_allclose(
        backend.mlp.forward(BATCH), numbers(call(server.address, "ModelInfer", message)), rtol=1e-6
    )
