"""Every wait of the coordinator ends, even if a stranger connects or a worker stops halfway through a message."""

import json
import socket
from collections.abc import Iterator

import pytest

from runoff.gate.run.channel import Connection, Listener, WorkerLost, receive_all


def connect(listener: Listener, line: bytes = b"") -> socket.socket:
    """Connect to a listener and send a line."""
    client = socket.create_connection(("127.0.0.1", listener.port), timeout=60)
    client.sendall(line)
    return client


def test_strangers_are_rejected_and_the_worker_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every local user can connect to the port; a stranger must neither block the gate nor take a worker's place."""
    monkeypatch.setattr("runoff.gate.run.channel._TOKEN_TIMEOUT_S", 0.2)
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
    """A worker that hangs while it imports the suite must not block the gate."""
    with Listener() as listener, pytest.raises(WorkerLost, match=r"collected no tests within 0\.2 s"):
        listener.accept_workers(1, 0.2, lambda: None)


@pytest.fixture
def pair() -> Iterator[tuple[Connection, socket.socket]]:
    """Provide the coordinator's connection and the worker's end of it."""
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
    """A worker that is stopped in the middle of a message must not block the gate."""
    pair[1].sendall(sent)
    with pytest.raises(WorkerLost, match=message):
        pair[0].receive(0.2)


def test_end_of_a_worker_ends_the_wait(pair: tuple[Connection, socket.socket]) -> None:
    """A crash must be reported at once, not after a deadline of minutes."""
    pair[1].close()
    with pytest.raises(WorkerLost, match="ended"):
        pair[0].receive(600)


def test_message_that_has_arrived_is_read_after_the_deadline(pair: tuple[Connection, socket.socket]) -> None:
    """A worker that answered in time must not be blamed if another one used up the time."""
    pair[1].sendall(b'{"state": "ready"}\n')
    ours, theirs = socket.socketpair()
    with ours, theirs:
        lost, message = receive_all([Connection(ours), pair[0]], 0.0)
    assert isinstance(lost, WorkerLost)
    assert {"state": "ready"} == message
