"""Servers for tests: runoff's server with a controllable backend, fake third-party services, and silent sockets."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import numpy as np

from runoff.backends.base import Backend
from runoff.measurement.machine import Device
from runoff.models.mlp import Float32Array, Mlp
from runoff.rpc.neural.neural_pb2 import ModelInfoResponse
from runoff.rpc.tls import ServerTls
from runoff.service.hosted_models import HostedModel
from runoff.service.server import Server
from runoff.service.stopwatch import Stopwatch


class WatchedBackend(Backend):
    """
    A backend that returns the float64 reference's outputs and records its calls. Tests can pause it or make it fail.

    Attributes:
        batch_sizes: The batch size of each forward pass.
        contexts: The gRPC context of each call that reached the model, including those that waited for it.
        failure: An exception for `predict` to raise.
        answer: A number for `predict` to return as every output.
        entered: Set when a forward pass begins.
        may_go_on: Clear it to pause forward passes.
    """

    def __init__(self, mlp: Mlp) -> None:
        super().__init__("watched", mlp.input_size, mlp.output_size, Device("cpu", "a processor"))
        self.facts |= {"framework": "watched", "framework_version": "1", "threads": 3, "fast": True}
        self.mlp = mlp
        self.batch_sizes: list[int] = []
        self.contexts: list[grpc.ServicerContext] = []
        self.failure: Exception | None = None
        self.answer: np.float32 | None = None
        self.entered = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def predict(self, batch: Float32Array) -> Float32Array:
        self.batch_sizes.append(len(batch))
        self.entered.set()
        assert self.may_go_on.wait(120)
        if self.failure is not None:
            raise self.failure
        if self.answer is not None:
            return np.full((len(batch), self.output_size), self.answer)
        return self.mlp.forward(batch).astype(np.float32)


class WatchedModel(HostedModel):
    """A hosted model that records the context of each call as soon as it arrives, before it waits for the backend."""

    def __init__(self, name: str, backend: WatchedBackend) -> None:
        super().__init__(name, backend.mlp, backend)
        self._contexts = backend.contexts

    def predict(self, batch: Float32Array, context: grpc.ServicerContext, stopwatch: Stopwatch) -> Float32Array:
        self._contexts.append(context)
        return super().predict(batch, context, stopwatch)


@contextmanager
def served(
    backends: dict[str, WatchedBackend],
    max_message_bytes: int = 2**20,
    max_batch_size: int = 100,
    port: int = 0,
    tls: ServerTls | None = None,
) -> Iterator[Server]:
    """Serve backends under the given model names in this process. The server is stopped when the context ends."""
    server = Server("127.0.0.1", port, max_message_bytes=max_message_bytes, max_batch_size=max_batch_size, tls=tls)
    server.start()
    server.serve([WatchedModel(name, backend) for name, backend in backends.items()])
    try:
        yield server
    finally:
        for backend in backends.values():
            backend.may_go_on.set()
        assert server.stop(5).wait(60)


def call(
    address: str, method: str, message: bytes, timeout_s: float = 60.0, service: str = "neural.NeuralService"
) -> bytes:
    """Send a serialized request and return the serialized response, without the checks of runoff's client."""
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        response: bytes = channel.unary_unary(f"/{service}/{method}", None, None)(message, timeout=timeout_s)
    return response


def refusal(address: str, method: str, message: bytes, service: str = "neural.NeuralService") -> tuple[str, str]:
    """Make a call. Return the name and details of the status with which it fails, or `OK` and an empty string."""
    try:
        call(address, method, message, service=service)
    except grpc.RpcError as error:
        return error.code().name, error.details() or ""
    return "OK", ""


@contextmanager
def foreign_service(
    methods: dict[str, bytes | Callable[[bytes, grpc.ServicerContext], bytes]], name: str = "neural.NeuralService"
) -> Iterator[str]:
    """Run a fake third-party service, whose methods return fixed or computed responses. Yield the service's address."""

    def handler(
        response: bytes | Callable[[bytes, grpc.ServicerContext], bytes],
    ) -> "grpc.RpcMethodHandler[bytes, bytes]":
        fixed = (lambda _request, _context: response) if isinstance(response, bytes) else response
        return grpc.unary_unary_rpc_method_handler(fixed)

    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    handlers = {method: handler(response) for method, response in methods.items()}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait(10)


def foreign_info(mlp: Mlp, sizes: Sequence[int] = ()) -> bytes:
    """Return a GetModelInfo response that has only the five fields of the original protocol."""
    input_size, hidden_size, output_size = sizes or mlp.sizes
    info = ModelInfoResponse(
        input_size=input_size, hidden_size=hidden_size, output_size=output_size, device="gpu", framework="tensorflow"
    )
    return info.SerializeToString()


@contextmanager
def listener(answer: bytes | None) -> Iterator[str]:
    """Listen on a port, and answer each connection with fixed bytes or not at all. Yield the listening address."""
    accepted: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = sock.accept()
            except OSError:
                return
            accepted.append(connection)
            if answer is not None:
                connection.recv(1024)
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as sock:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{sock.getsockname()[1]}"
        sock.shutdown(socket.SHUT_RDWR)
    thread.join(5)
    for connection in accepted:
        connection.close()


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true. Fail if another thread or process has not made it true after 60 s."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def free_port() -> int:
    """Return a port that no process is using at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    return port
