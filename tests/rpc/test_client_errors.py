"""What our client says when nobody, or somebody else, is at the address."""

import grpc
import numpy as np
import pytest

from runoff.backends.grpc_backend import open_grpc
from runoff.errors import BackendUnavailable, RunoffError, ServiceError
from runoff.models.mlp import Kind
from runoff.rpc import channel
from runoff.rpc.neural.client import NeuralClient
from runoff.service.server import Server
from tests.support.models import random_mlp
from tests.support.services import WatchedBackend, foreign_service, free_port, listener, served

MLP = random_mlp()


class Unresolved(grpc.RpcError):
    """What gRPC raises for a name that leads to no address."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "errors resolving nowhere:1: [field:hostname lookup error]"


def test_nobody_at_the_address() -> None:
    """The usual mistake: the service was not started."""
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(BackendUnavailable, match=f"no gRPC server at {address}"):
        open_grpc("x-grpc", address, MLP)


@pytest.mark.parametrize(
    ("answer", "error_type", "words"),
    [
        pytest.param(None, BackendUnavailable, "no response from .* within 0.5 s", id="silence"),
        pytest.param(
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", ServiceError, "another protocol", id="http1"
        ),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", ServiceError, "another protocol", id="ssh"),
    ],
)
def test_something_else_at_the_address(answer: bytes | None, error_type: type[RunoffError], words: str) -> None:
    """The port of another program: gRPC's own words for it send users after firewalls."""
    with listener(answer) as address, pytest.raises(error_type, match=words):
        open_grpc("x-grpc", address, MLP, timeout_s=0.5)


def test_another_grpc_service_at_the_address() -> None:
    """A gRPC server, only not this service."""
    with (
        foreign_service({}, name="other.Service") as address,
        pytest.raises(ServiceError, match=r"another protocol \(a gRPC server without neural.NeuralService\)"),
    ):
        open_grpc("x-grpc", address, MLP)


def test_service_that_still_loads_is_said_to_be_there() -> None:
    """Nothing is wrong with the address: whoever reads of no server goes looking for the wrong fault."""
    server = Server("127.0.0.1", 0)
    server.start()
    try:
        loading = f"^the service at {server.address} is unavailable: 'the service is still loading its models'$"
        with pytest.raises(BackendUnavailable, match=loading):
            open_grpc("x-grpc", server.address, MLP)
    finally:
        server.stop(0).wait(10)


def test_host_that_cannot_be_found_has_no_server() -> None:
    """A misspelt name; in gRPC's own words, for a real look-up may take as long as it likes."""
    error = channel.describe_failure(Unresolved(), "nowhere:1", 1.0, "x.X")
    assert "no gRPC server at nowhere:1: 'errors resolving nowhere:1: [field:hostname lookup error]'" == str(error)


def test_status_of_a_foreign_service_is_shown() -> None:
    """Services in the wild know no answer but UNKNOWN; their words are all there is."""

    def fail(_request: bytes, _context: object) -> bytes:
        raise ValueError("no such model" + "!" * 1000)

    with foreign_service({"GetModelInfo": fail}) as address, pytest.raises(ServiceError) as error:
        open_grpc("x-grpc", address, MLP)
    assert "returned the status UNKNOWN" in str(error.value)
    assert "no such model" in str(error.value)
    assert len(str(error.value)) < 500


def test_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """gRPC would send even loopback calls through http_proxy."""
    for name in ("http_proxy", "grpc_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("no_proxy", "no_grpc_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with served({"m": WatchedBackend(MLP)}) as server, open_grpc("x-grpc", server.address, MLP) as backend:
        assert (1, 3) == backend.predict(np.ones((1, 5), np.float32)).shape


def test_hung_call_ends_at_the_deadline() -> None:
    """Without a deadline on every call, a hung service would hang the run."""
    backend = WatchedBackend(MLP)
    with served({"m": backend}) as server, NeuralClient(server.address, timeout_s=0.5) as client:
        backend.may_go_on.clear()
        with pytest.raises(BackendUnavailable, match=r"no response from .* within 0.5 s"):
            client.predict(np.ones((1, 5), np.float32), Kind.POLICY)


def test_successor_on_the_same_port_is_noticed() -> None:
    """A channel follows a new server silently; its timings would be put down to the old one."""
    with served({"m": WatchedBackend(MLP)}) as first:
        backend = open_grpc("x-grpc", first.address, MLP)
        backend.check_same_service()
    with (
        backend,
        served({"m": WatchedBackend(MLP)}, port=first.port),
        pytest.raises(ServiceError, match=r"was replaced by another: .*nonce was"),
    ):
        backend.check_same_service()


def test_service_that_went_away_is_not_the_same() -> None:
    """Nobody there is no pass."""
    with served({"m": WatchedBackend(MLP)}) as server:
        backend = open_grpc("x-grpc", server.address, MLP)
    with backend, pytest.raises(BackendUnavailable):
        backend.check_same_service()
