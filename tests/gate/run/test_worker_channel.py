"""The gate's coordinator never waits forever, even if an unrelated process connects or a worker hangs."""

import json
import socket
from collections.abc import Iterator

import pytest

from runoff.gate.run.worker_channel import Connection, Listener, WorkerLost, receive_all


def connect(listener: Listener, line: bytes = b"") -> socket.socket:
    """Connect to a listener, send a line and return the socket."""
    client = socket.create_connection(("127.0.0.1", listener.port), timeout=60)
    client.sendall(line)
    return client


def test_strangers_are_rejected_and_the_worker_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any local user can connect to the port, so an unrelated process must not block the gate or pose as a worker."""
    monkeypatch.setattr("runoff.gate.run.worker_channel._TOKEN_TIMEOUT_S", 0.2)
    with Listener() as listener:
        first_message = json.dumps({"token": listener.token, "side": 0}).encode() + b"\n"
        forged_message = json.dumps({"token": "0" * 32, "side": 0}).encode() + b"\n"
        silent, forger, worker = (connect(listener, line) for line in (b"", forged_message, first_message))
        with silent, forger, worker:
            ((connection, message),) = listener.accept_workers(1, 60, lambda: None)
            connection.send(request="begin")
            assert b'{"request": "begin"}\n' == worker.recv(100)
            assert b"" == silent.recv(1)
            assert b"" == forger.recv(1)
            connection.close()
    assert listener.token == message["token"]


def test_absent_worker_ends_the_wait() -> None:
    """If a worker hangs while it imports the suite, it never connects. This must not block the gate."""
    with Listener() as listener, pytest.raises(WorkerLost, match=r"collected no tests within 0\.2 s"):
        listener.accept_workers(1, 0.2, lambda: None)


@pytest.fixture
def pair() -> Iterator[tuple[Connection, socket.socket]]:
    """Provide the coordinator's connection to a worker, and the worker's socket."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Connection(ours), theirs


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        pytest.param(b"", "sent nothing for", id="nothing"),
        pytest.param(b'{"state": "rea', "sent nothing for", id="half-a-message"),
        pytest.param(b"ready\n", "not JSON", id="no-json"),
        pytest.param(b"[1]\n", "not an object", id="no-object"),
    ],
)
def test_incomplete_or_invalid_message_loses_the_worker(
    pair: tuple[Connection, socket.socket], sent: bytes, message: str
) -> None:
    """A worker may hang or write garbage. The gate must report the worker as lost instead of waiting forever."""
    pair[1].sendall(sent)
    with pytest.raises(WorkerLost, match=message):
        pair[0].receive(0.2)


def test_end_of_a_worker_ends_the_wait(pair: tuple[Connection, socket.socket]) -> None:
    """If a worker crashes, the gate must report it at once and not wait minutes for the deadline."""
    pair[1].close()
    with pytest.raises(WorkerLost, match="ended"):
        pair[0].receive(600)


def test_message_that_has_arrived_is_read_after_the_deadline(pair: tuple[Connection, socket.socket]) -> None:
    """If one worker misses the common deadline, the workers that answered in time must not be reported as lost."""
    pair[1].sendall(b'{"state": "ready"}\n')
    ours, theirs = socket.socketpair()
    with ours, theirs:
        lost, message = receive_all([Connection(ours), pair[0]], 0.0)
    assert isinstance(lost, WorkerLost)
    assert {"state": "ready"} == message
