"""
Words between the coordinator and the children: one JSON object a line, over the loopback.

Every wait has a deadline, and the end of a child ends the wait; `WorkerLost` says which and why.
"""

import hmac
import json
import secrets
import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

Message = dict[str, Any]
# Saved rounds and test ids of a large suite take a few MB.
_LONGEST_LINE_BYTES = 64 * 2**20
_POLL_S = 0.2


class WorkerLost(Exception):
    """A child that ended, broke off or did not answer in time."""


class Connection:
    """The coordinator's end of the channel to one child."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._buffer = b""

    def send(self, **word: Any) -> None:
        """Send one word; a child that is gone is noticed by the next `receive`."""
        try:
            self._socket.settimeout(10.0)
            self._socket.sendall(json.dumps(word).encode() + b"\n")
        except OSError:
            return

    def receive(self, deadline_s: float) -> Message:
        """
        Wait for one word.

        Args:
            deadline_s: Longest wait in seconds.

        Returns:
            The word.

        Raises:
            WorkerLost: If the child has closed its end, says what is no word, or says nothing in time.
        """
        return self.receive_until(time.monotonic() + deadline_s, deadline_s)

    def receive_until(self, end: float, deadline_s: float) -> Message:
        """Wait for one word until a monotonic time, which was `deadline_s` away at first; as `receive`."""
        while b"\n" not in self._buffer:
            left_s = end - time.monotonic()
            if left_s <= 0:
                raise WorkerLost(f"said nothing for {round(deadline_s, 1):g} s")
            self._socket.settimeout(left_s)
            try:
                chunk = self._socket.recv(2**16)
            except TimeoutError:
                continue
            except OSError as error:
                raise WorkerLost(f"broke off: {error.strerror}") from None
            if not chunk or len(self._buffer) > _LONGEST_LINE_BYTES:
                raise WorkerLost("ended" if not chunk else "sent a line without an end")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            word = json.loads(line)
        except ValueError:
            raise WorkerLost("sent what is no JSON") from None
        if not isinstance(word, dict):
            raise WorkerLost("sent JSON that is no object")
        return word

    def close(self) -> None:
        """Hang up; the child ends."""
        self._socket.close()


class Listener:
    """Where children connect; a context manager. Who does not know the token is sent away."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.token = secrets.token_hex(16)

    def connect(self, sides: int, deadline_s: float, check: Callable[[], None]) -> list[tuple[Connection, Message]]:
        """
        Wait until every child has introduced itself.

        Args:
            sides: How many there are, numbered from 0.
            deadline_s: Longest wait for all.
            check: Called a few times a second; raises if waiting has become pointless.

        Returns:
            Per side its connection and the word it introduced itself with.

        Raises:
            WorkerLost: If one does not come in time.
        """
        end = time.monotonic() + deadline_s
        found: dict[int, tuple[Connection, Message]] = {}
        while len(found) < sides:
            check()
            if time.monotonic() > end:
                raise WorkerLost(f"collected no tests within {deadline_s:g} s")
            if not select.select([self._socket], [], [], _POLL_S)[0]:
                continue
            connected = self._socket.accept()[0]
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(connected)
            try:
                word = connection.receive(5.0)
            except WorkerLost:
                connection.close()
                continue
            known = hmac.compare_digest(str(word.get("token")).encode(), self.token.encode())
            if known and word.get("side") in range(sides):
                found[word["side"]] = connection, word
            else:
                connection.close()
        return [found[side] for side in range(sides)]

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def receive_all(connections: Sequence[Connection], deadline_s: float) -> list[Message | WorkerLost]:
    """Wait for one word of each child, all by the same deadline; a lost child's place holds why it was lost."""
    end = time.monotonic() + deadline_s
    words: list[Message | WorkerLost] = []
    for connection in connections:
        try:
            # Who is ready is heard even if another has used up the time.
            words.append(connection.receive_until(max(end, time.monotonic() + 0.1), deadline_s))
        except WorkerLost as lost:
            words.append(lost)
    return words
