"""gRPC clients that open calls and then send no request or read no response."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import numpy as np

from runoff.rpc.neural import request_codec
from tests.support.services import call

MESSAGE = request_codec.encode_predict(np.ones((1, 5), np.float32), "policy", "")
PREDICT, CHECK, WATCH = "neural.NeuralService/Predict", "grpc.health.v1.Health/Check", "grpc.health.v1.Health/Watch"
REFLECTION = "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


class SilentCalls:
    """
    Opens calls on one connection and holds back their requests.

    Attributes:
        may_send: Set to send the requests.
        calls: All calls opened so far.
    """

    def __init__(self, channel: grpc.Channel, message: bytes) -> None:
        self._channel = channel
        self._message = message
        self.may_send = threading.Event()
        self.calls: list[grpc.Call] = []

    def open(self, method: str, count: int) -> None:
        """Open calls without sending requests. Only health watches send theirs, and then wait in silence."""
        if method == WATCH:
            watch = self._channel.unary_stream(f"/{method}", None, None)
            self.calls += [watch(b"", timeout=60) for _ in range(count)]
            return
        # gRPC's client can delay a request only in a stream. The server cannot tell it from a unary call on the wire.
        stream = self._channel.stream_stream(f"/{method}", None, None)
        self.calls += [stream(self._requests(), timeout=60) for _ in range(count)]

    def ended_statuses(self) -> list[grpc.StatusCode]:
        """Return the statuses of the calls that have ended."""
        return [opened.code() for opened in self.calls if not opened.is_active()]

    def _requests(self) -> Iterator[bytes]:
        self.may_send.wait(60)
        yield self._message


@contextmanager
def open_silent_calls(address: str, message: bytes = MESSAGE) -> Iterator[SilentCalls]:
    """Connect to a service and yield its SilentCalls, all of which are cancelled when the context ends."""
    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        silent = SilentCalls(channel, message)
        try:
            yield silent
        finally:
            for opened in silent.calls:
                opened.cancel()  # type: ignore[no-untyped-call] # missing in grpc-stubs
            silent.may_send.set()


def assert_answers(address: str) -> None:
    """Assert that the service answers a health check and a prediction."""
    call(address, "Check", b"", timeout_s=30, service="grpc.health.v1.Health")
    call(address, "Predict", MESSAGE, timeout_s=30)


def http2_frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return struct.pack(">I", len(content))[1:] + struct.pack(">BBI", kind, flags, stream) + content


def literal_header(name: bytes, value: bytes) -> bytes:
    """Return an HTTP/2 header as an HPACK literal, which needs no compression tables."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


@contextmanager
def unread_calls(address: str, method: str, message: bytes, count: int) -> Iterator[None]:
    """Open calls on an HTTP/2 connection whose flow-control window of 0 stops the server from sending responses."""
    host, port = address.rsplit(":", 1)
    headers = {":method": "POST", ":scheme": "http", ":path": f"/{method}", ":authority": "x"}
    headers |= {"te": "trailers", "content-type": "application/grpc"}
    block = b"".join(literal_header(name.encode(), value.encode()) for name, value in headers.items())
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        initial_window_0 = struct.pack(">HI", 4, 0)
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + http2_frame(4, 0, 0, initial_window_0))
        # The server sends its settings in the first frame once it has accepted the connection, so wait for this frame.
        assert connection.recv(9)
        connection.sendall(http2_frame(4, 1, 0, b""))
        data = struct.pack(">BI", 0, len(message)) + message
        for stream in range(1, 2 * count, 2):
            connection.sendall(http2_frame(1, 4, stream, block) + http2_frame(0, 0, stream, data))
        yield
