"""The gRPC server of a service: binds the port, registers the protocols, reports health, and shuts down."""

import socket
import threading
from collections.abc import Iterable

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from runoff.errors import ServiceError
from runoff.rpc.address import format_address
from runoff.rpc.limits import MAX_BATCH_SIZE, MAX_MESSAGE_BYTES, message_options
from runoff.rpc.neural import neural_pb2
from runoff.rpc.neural.service_name import SERVICE_NAME
from runoff.rpc.oip import inference_pb2
from runoff.rpc.oip.names import SERVICE_NAME as OIP_SERVICE_NAME
from runoff.rpc.tls import ServerTls
from runoff.service.call_interceptor import CallInterceptor
from runoff.service.call_threads import CallThreadPool
from runoff.service.hosted_models import HostedModel, ServiceState
from runoff.service.neural_service import NeuralService
from runoff.service.oip_service import OipService

# Two workers, so that one can decode or encode while the other runs a forward pass. Measured on 2 idle cores with 4, 16
# and 64 callers and 1 to 16 workers, 2 handled the most calls per second (benchmarks/reports/service_speed.md).
DEFAULT_WORKERS = 2
_DRAIN_CHECK_INTERVAL_S = 0.25
# Maximum number of calls that are queued or assigned to a thread; gRPC rejects further calls with RESOURCE_EXHAUSTED.
# The thread limit is lower: further calls queue while all threads are taken. call_threads.py describes their memory.
MAX_CALLS = 1024
# How many bytes of a queued call's request gRPC buffers: 512 KiB, so 512 MiB for MAX_CALLS calls. A request of 1,024
# samples of 81 features (330 KB) fits in. By default, gRPC enlarges the windows until they hold whole requests.
RECEIVE_WINDOW_BYTES = 2**19
_WINDOW_OPTIONS = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", RECEIVE_WINDOW_BYTES)]


class Server:
    """
    A gRPC server. It answers health checks once `start` is called, and also predictions once `serve` is called.

    Attributes:
        host: The address that the server listens on.
        port: The port that the server listens on.
        address: Both in the form for clients: `127.0.0.1:50052`.
        nonce: A random string that identifies this start of the service.
    """

    def __init__(
        self,
        host: str,
        port: int,
        workers: int = DEFAULT_WORKERS,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        max_batch_size: int = MAX_BATCH_SIZE,
        tls: ServerTls | None = None,
        reflection_enabled: bool = False,
    ) -> None:
        """
        Bind the port; `start` accepts calls.

        Args:
            host: An address of this machine.
            port: The port, or 0 for any free one.
            workers: Number of calls that are handled at the same time.
            max_message_bytes: Largest request and response.
            max_batch_size: Largest number of samples in a request.
            tls: The server's certificate and the clients that it trusts; None for plain connections.
            reflection_enabled: Whether clients may list the services and messages by gRPC reflection.

        Raises:
            ServiceError: If the port cannot be bound.
        """
        _check_bindable(host, port)
        self._pool = CallThreadPool(workers)
        self._grpc = grpc.server(
            self._pool,  # type: ignore[arg-type] # grpc-stubs require a ThreadPoolExecutor
            interceptors=[CallInterceptor(self._pool)],
            # gRPC sets SO_REUSEPORT by default. It would let two services share a port and split its calls.
            options=[*message_options(max_message_bytes), *_WINDOW_OPTIONS, ("grpc.so_reuseport", 0)],
            maximum_concurrent_rpcs=MAX_CALLS,
        )
        self._state = ServiceState(max_batch_size, max_message_bytes)
        self.nonce = self._state.nonce
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._grpc)
        self._grpc.add_generic_rpc_handlers([NeuralService(self._state).handlers(), OipService(self._state).handlers()])
        if reflection_enabled:
            names = (SERVICE_NAME, OIP_SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME)
            # Reflection looks up messages in protobuf's default pool, which lacks runoff's, so give it another pool.
            pool = DescriptorPool()
            for module in (neural_pb2, inference_pb2, health_pb2, reflection_pb2):
                pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
            reflection.enable_server_reflection(names, self._grpc, pool)
        self.host = host
        try:
            if tls is None:
                self.port = self._grpc.add_insecure_port(format_address(host, port))
            else:
                self.port = self._grpc.add_secure_port(format_address(host, port), tls.credentials())
        except RuntimeError as error:
            self._pool.shutdown()
            raise ServiceError(_bind_error(host, port, str(error))) from None
        self.address = format_address(host, self.port)

    def start(self, model_names: Iterable[str] = ()) -> None:
        """Accept calls. Until `serve` is called, predictions are refused and every health status is NOT_SERVING."""
        self._set_health(model_names, health_pb2.HealthCheckResponse.NOT_SERVING)
        self._grpc.start()

    def serve(self, models: list[HostedModel]) -> None:
        """Answer predictions with these models, which must be warmed up, and report their health as SERVING."""
        self._state.models = models
        self._set_health((model.name for model in models), health_pb2.HealthCheckResponse.SERVING)

    def stop(self, grace_s: float) -> threading.Event:
        """
        Refuse new calls, let calls in flight finish, and cancel those that are still running after `grace_s` seconds.

        Returns:
            An event that is set when no call is in flight any more.
        """
        self._health.enter_graceful_shutdown()
        drained = self._grpc.stop(grace_s)
        threading.Thread(target=self._drain, args=(drained,), name="drain").start()
        return drained

    def _drain(self, drained: threading.Event) -> None:
        """Shut down the thread pool only after the last call, because gRPC may still start calls that it accepted."""
        while not drained.wait(_DRAIN_CHECK_INTERVAL_S):
            # Cancel long waits, so that health watches and requests that never arrive do not delay the shutdown.
            self._pool.cancel_longest_waits()
        self._pool.shutdown()

    def _set_health(self, model_names: Iterable[str], status: "health_pb2.HealthCheckResponse.ServingStatus") -> None:
        """Set the health status of both protocols, of the models, and of the whole server, whose name is empty."""
        for name in ("", SERVICE_NAME, OIP_SERVICE_NAME, *model_names):
            self._health.set(name, status)


def _check_bindable(host: str, port: int) -> None:
    """Raise ServiceError if the port cannot be bound. The error contains the reason, which gRPC's own error lacks."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # Set this option as gRPC does. Without it, closed connections of an earlier service would block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ServiceError(_bind_error(host, port, str(error.strerror))) from None


def _bind_error(host: str, port: int, reason: str) -> str:
    return f"cannot listen on port {port} of {host}: {reason}; choose another with --port, or 0 for any free one"
