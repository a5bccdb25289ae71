"""An HTTP/2 server that turns every call away before it is looked at, as a gRPC server does that is shutting down."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# https://www.rfc-editor.org/rfc/rfc9113: section 6 has the frames.
_PREFACE_BYTES, _FRAME_HEADER_BYTES = 24, 9
_HEADERS, _SETTINGS, _GOAWAY = 1, 4, 7
# No stream was or will be looked at; no error.
_NONE_SEEN = bytes(8)


@contextmanager
def refusing_server() -> Iterator[tuple[str, list[int]]]:
    """Yield the address of a server that ends each connection at its first call, and those calls' stream numbers."""
    refused: list[int] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection:
                    refused.append(_refuse(connection))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}", refused
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(10)
    assert not thread.is_alive()


def _refuse(connection: socket.socket) -> int:
    """Read up to a connection's first call, and say that it was not seen; returns its stream number."""
    connection.settimeout(10)
    connection.sendall(_frame(_SETTINGS))
    with connection.makefile("rb") as received:
        received.read(_PREFACE_BYTES)
        while header := received.read(_FRAME_HEADER_BYTES):
            received.read(int.from_bytes(header[:3]))
            if header[3] == _HEADERS:
                connection.sendall(_frame(_GOAWAY, _NONE_SEEN))
                return int.from_bytes(header[5:])
    raise ConnectionError("no call came")


def _frame(frame_type: int, content: bytes = b"") -> bytes:
    """Return a frame without flags that belongs to no stream."""
    return len(content).to_bytes(3) + bytes((frame_type, 0)) + bytes(4) + content
