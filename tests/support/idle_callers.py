"""Clients that take a service's attention and give nothing: calls without a message, replies not taken in."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import numpy as np

from runoff.rpc.neural import request_codec

MESSAGE = request_codec.encode_predict(np.ones((1, 5), np.float32), "policy", "")
PREDICT, CHECK, WATCH = "neural.NeuralService/Predict", "grpc.health.v1.Health/Check", "grpc.health.v1.Health/Watch"
REFLECTION = "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


class Openers:
    """Calls without a message, on a connection of their own."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self.may_send = threading.Event()
        self.calls: list[grpc.Call] = []

    def open(self, method: str, count: int) -> None:
        """Open so many calls; health's Watch gets its message, for it waits for no more."""
        if method == WATCH:
            watch = self._channel.unary_stream(f"/{method}", None, None)
            self.calls += [watch(b"", timeout=60) for _ in range(count)]
            return
        # A call of one message looks like a stream on the wire, and this one may keep the message back.
        stream = self._channel.stream_stream(f"/{method}", None, None)
        self.calls += [stream(self._messages(), timeout=60) for _ in range(count)]

    def ended(self) -> list[grpc.StatusCode]:
        """Return the statuses of those that have ended."""
        return [opened.code() for opened in self.calls if not opened.is_active()]

    def _messages(self) -> Iterator[bytes]:
        self.may_send.wait(60)
        yield MESSAGE


@contextmanager
def openers_at(address: str) -> Iterator[Openers]:
    """Hold calls open; all end with their connection."""
    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        openers = Openers(channel)
        try:
            yield openers
        finally:
            for opened in openers.calls:
                opened.cancel()  # type: ignore[no-untyped-call] # grpc's stubs leave it out
            openers.may_send.set()


def http2_frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return struct.pack(">I", len(content))[1:] + struct.pack(">BBI", kind, flags, stream) + content


def literal(name: bytes, value: bytes) -> bytes:
    """Return a header as HPACK writes it without its tables."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


@contextmanager
def deaf_callers(address: str, method: str, message: bytes, count: int) -> Iterator[None]:
    """Call a method so often on a connection that grants replies not a single byte."""
    host, port = address.rsplit(":", 1)
    headers = {":method": "POST", ":scheme": "http", ":path": f"/{method}", ":authority": "x"}
    headers |= {"te": "trailers", "content-type": "application/grpc"}
    block = b"".join(literal(name.encode(), value.encode()) for name, value in headers.items())
    with socket.create_connection((host, int(port))) as connection:
        no_window = struct.pack(">HI", 4, 0)
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + http2_frame(4, 0, 0, no_window))
        time.sleep(0.2)
        connection.sendall(http2_frame(4, 1, 0, b""))
        data = struct.pack(">BI", 0, len(message)) + message
        for stream in range(1, 2 * count, 2):
            connection.sendall(http2_frame(1, 4, stream, block) + http2_frame(0, 0, stream, data))
        time.sleep(0.2)
        yield
