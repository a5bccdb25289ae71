"""Tests the errors of the original protocol's client if no service, or a wrong program, listens at the address."""

import grpc
import numpy as np
import pytest

from runoff.backends.grpc_backend import open_grpc
from runoff.errors import BackendUnavailable, ServiceError
from runoff.models.mlp import Kind
from runoff.rpc import channel
from runoff.rpc.neural.client import NeuralClient
from runoff.service.server import Server
from tests.support.models import random_mlp
from tests.support.services import WatchedBackend, foreign_service, free_port, listener, served

MLP = random_mlp()


class Unresolved(grpc.RpcError):
    """A copy of the error that gRPC raises for a host name that cannot be resolved."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "errors resolving nowhere:1: [field:hostname lookup error]"


def test_missing_server_is_named_in_the_error() -> None:
    """Users often forget to start the service, so the error must say that no server listens at the address."""
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(BackendUnavailable, match=f"no gRPC server at {address}"):
        open_grpc("x-grpc", address, MLP)


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", id="http1"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="ssh"),
    ],
)
def test_other_program_at_the_address_is_named_in_the_error(response: bytes) -> None:
    """gRPC's own error suggests a network fault, so runoff's error must state that the program is not a gRPC server."""
    with listener(response) as address, pytest.raises(ServiceError, match="another protocol"):
        open_grpc("x-grpc", address, MLP, timeout_s=60)


def test_silent_program_at_the_address_is_an_error_at_the_deadline() -> None:
    """A program may wait for its client to send data first. Without a deadline, it would block the whole run."""
    with listener(None) as address, pytest.raises(BackendUnavailable, match=r"no response from .* within 0.5 s"):
        open_grpc("x-grpc", address, MLP, timeout_s=0.5)


def test_other_grpc_service_at_the_address_is_named_in_the_error() -> None:
    """gRPC only reports the status UNIMPLEMENTED, so the error must state that another service uses the address."""
    with (
        foreign_service({}, name="other.Service") as address,
        pytest.raises(ServiceError, match=r"another protocol \(a gRPC server without neural.NeuralService\)"),
    ):
        open_grpc("x-grpc", address, MLP)


def test_loading_service_is_not_reported_as_missing() -> None:
    """While the service loads its models, users only have to wait, so the error must not report a missing server."""
    server = Server("127.0.0.1", 0)
    server.start()
    try:
        loading = f"^the service at {server.address} is unavailable: 'the service is still loading its models'$"
        with pytest.raises(BackendUnavailable, match=loading):
            open_grpc("x-grpc", server.address, MLP)
    finally:
        server.stop(0).wait(10)


def test_unknown_host_is_reported_as_missing_server() -> None:
    """A user may misspell a host name. The test uses a copy of gRPC's error, because a real look-up can take long."""
    error = channel.describe_failure(Unresolved(), "nowhere:1", 1.0, "x.X")
    assert "no gRPC server at nowhere:1: 'errors resolving nowhere:1: [field:hostname lookup error]'" == str(error)


def test_status_of_a_foreign_service_is_shown() -> None:
    """Many third-party services return UNKNOWN for every error, so the client must also show the error's text."""

    def fail(_request: bytes, _context: object) -> bytes:
        raise ValueError("no such model" + "!" * 1000)

    with foreign_service({"GetModelInfo": fail}) as address, pytest.raises(ServiceError) as error:
        open_grpc("x-grpc", address, MLP)
    assert "returned the status UNKNOWN" in str(error.value)
    assert "no such model" in str(error.value)
    assert len(str(error.value)) < 500


def test_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default, gRPC uses the proxy in http_proxy even for calls to this machine, which would then fail."""
    for name in ("http_proxy", "grpc_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("no_proxy", "no_grpc_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with served({"m": WatchedBackend(MLP)}) as server, open_grpc("x-grpc", server.address, MLP) as backend:
        assert (1, 3) == backend.predict(np.ones((1, 5), np.float32)).shape


def test_hung_call_ends_at_the_deadline() -> None:
    """Without a deadline on every call, a service that hangs would block the whole run."""
    backend = WatchedBackend(MLP)
    with served({"m": backend}) as server, NeuralClient(server.address, timeout_s=0.5) as client:
        backend.may_go_on.clear()
        with pytest.raises(BackendUnavailable, match=r"no response from .* within 0.5 s"):
            client.predict(np.ones((1, 5), np.float32), Kind.POLICY)


def test_successor_on_the_same_port_is_noticed() -> None:
    """A gRPC channel silently reconnects to a new server, whose timings would be recorded as the old server's."""
    with served({"m": WatchedBackend(MLP)}) as first:
        backend = open_grpc("x-grpc", first.address, MLP)
        backend.check_same_service()
    with (
        backend,
        served({"m": WatchedBackend(MLP)}, port=first.port),
        pytest.raises(ServiceError, match=r"was replaced by another: .*nonce was"),
    ):
        backend.check_same_service()


def test_stopped_service_fails_the_identity_check() -> None:
    """If the identity check passed without a response, runoff would not notice that the service crashed."""
    with served({"m": WatchedBackend(MLP)}) as server:
        backend = open_grpc("x-grpc", server.address, MLP)
    with backend, pytest.raises(BackendUnavailable):
        backend.check_same_service()
