"""An HTTP/2 server that refuses every call before processing it, as a gRPC server does when it shuts down."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# The codes of the frame types are defined in section 6 of https://www.rfc-editor.org/rfc/rfc9113.
_PREFACE_BYTES, _FRAME_HEADER_BYTES = 24, 9
_HEADERS, _SETTINGS, _GOAWAY = 1, 4, 7
# The content of a GOAWAY frame whose last processed stream is 0, so none was processed, and whose error code is 0.
_NONE_PROCESSED = bytes(8)


@contextmanager
def refusing_server() -> Iterator[tuple[str, list[int]]]:
    """Start a server that refuses the first call of each connection. Yield its address and the refused stream ids."""
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
    thread.join(60)
    assert not thread.is_alive()


def _refuse(connection: socket.socket) -> int:
    """Wait for a connection's first call, refuse this call before processing it, and return the call's stream id."""
    connection.settimeout(60)
    connection.sendall(_frame(_SETTINGS))
    with connection.makefile("rb") as received:
        received.read(_PREFACE_BYTES)
        while header := received.read(_FRAME_HEADER_BYTES):
            received.read(int.from_bytes(header[:3]))
            if header[3] == _HEADERS:
                connection.sendall(_frame(_GOAWAY, _NONE_PROCESSED))
                return int.from_bytes(header[5:])
    raise ConnectionError("the client closed the connection without a call")


def _frame(frame_type: int, content: bytes = b"") -> bytes:
    """Return an HTTP/2 frame without flags that concerns the whole connection, so its stream id is 0."""
    return len(content).to_bytes(3) + bytes((frame_type, 0)) + bytes(4) + content
