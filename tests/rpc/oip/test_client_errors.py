"""Tests the errors of the Open Inference client if a call fails or a wrong program listens at the address."""

from collections.abc import Callable

import grpc
import numpy as np
import pytest

from runoff.backends.oip_backend import OipBackend, open_oip
from runoff.errors import BackendUnavailable, OtherModelError, ServiceError, ShapeError
from runoff.models.mlp import Float32Array
from tests.support.models import random_mlp
from tests.support.oip import SERVICE_NAME, model_metadata, server_methods
from tests.support.services import foreign_service, free_port, listener

MLP = random_mlp()


def test_batch_whose_message_exceeds_the_limit_is_not_sent() -> None:
    """The server too would refuse so large a request, but only after receiving it, so the client must not send it."""
    with (
        foreign_service(server_methods(model_metadata((-1, 1000))), SERVICE_NAME) as address,
        open_oip("x-oip", address, random_mlp(input_size=1000), "net") as backend,
        pytest.raises(ShapeError, match=r"the limit is 33554432; about \d+ samples fit"),
    ):
        backend.predict(np.zeros((20_000, 1000), np.float32))


def test_silent_program_at_the_address_is_named_in_the_error() -> None:
    """A program may accept connections but never respond. Without a deadline, it would block the whole run."""
    with listener(None) as address, pytest.raises(BackendUnavailable, match=r"no response from .* within 0.2 s"):
        open_oip("x-oip", address, MLP, "net", timeout_s=0.2)


def test_http_server_at_the_address_is_named_in_the_error() -> None:
    """Users easily mistake Triton's HTTP port for its gRPC port, so the error must name the wrong protocol."""
    with (
        listener(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address,
        pytest.raises(ServiceError, match="another protocol"),
    ):
        open_oip("x-oip", address, MLP, "net", timeout_s=60)


def test_missing_server_is_named_in_the_error() -> None:
    """Users often forget to start the server, so the error must say that no server listens at the address."""
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(BackendUnavailable, match=f"no gRPC server at {address}"):
        open_oip("x-oip", address, MLP, "net")


def test_other_grpc_service_at_the_address_is_named_in_the_error() -> None:
    """A gRPC server without the protocol returns UNIMPLEMENTED. The error must tell users that the address is wrong."""
    with (
        foreign_service({}) as address,
        pytest.raises(ServiceError, match=r"a gRPC server without inference\.GRPCInferenceService"),
    ):
        open_oip("x-oip", address, MLP, "net")


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda backend, batch: backend.predict(batch), id="predict"),
        pytest.param(lambda backend, batch: backend.profile(batch, 1), id="profile"),
    ],
)
def test_model_that_failed_to_load_is_not_reported_as_missing_server(
    call: Callable[[OipBackend, Float32Array], object],
) -> None:
    """gRPC and Triton use the same status for a missing server and a failed model, but users need different errors."""

    def refuse(_request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.UNAVAILABLE, "Request for unknown model: 'net' is not found")

    with (
        foreign_service(server_methods(model_metadata(), refuse), SERVICE_NAME) as address,
        open_oip("x-oip", address, MLP, "net") as backend,
        pytest.raises(OtherModelError, match=f'{address} does not serve net: "Request for unknown model'),
    ):
        call(backend, np.ones((2, 5), np.float32))
