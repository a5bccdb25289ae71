"""The gRPC server of one service: its port, its health, its end."""

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
from runoff.rpc.neural.contract import SERVICE_NAME
from runoff.rpc.oip import inference_pb2
from runoff.rpc.oip.contract import SERVICE_NAME as OIP_SERVICE_NAME
from runoff.rpc.tls import ServerTls
from runoff.service.admission import Admission
from runoff.service.crew import Crew
from runoff.service.hosting import HostedModels
from runoff.service.neural_service import NeuralService
from runoff.service.oip_service import OipService

# Forward passes go one at a time; another worker decodes and encodes meanwhile. On 2 quiet cores, 2 answered most calls
# a second of 1 to 16 at 4, 16 and 64 callers (benchmarks/reports/service_speed.md).
DEFAULT_WORKERS = 2
# Between two looks at who holds the end up.
_END_STEP_S = 0.25
# Calls at a thread or queueing for one; gRPC refuses the next with RESOURCE_EXHAUSTED. While a call queues, gRPC takes
# in little of its message, so large ones do not pile up. More than the crew's most threads: when all wait, some queue.
MAX_CALLS = 1024


class Server:
    """
    A bound server that answers health at once and predictions once it has models.

    Attributes:
        host: Where it listens.
        port: The port it got.
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
        Bind.

        Args:
            host: An address of this machine.
            port: 0 for any free one.
            workers: Threads that handle calls.
            max_message_bytes: Largest message taken or sent.
            max_batch_size: Largest batch taken.
            tls: What it shows and whom it lets in; None for neither encryption nor proof.
            reflection_enabled: Whether it describes its services to whoever asks.

        Raises:
            ServiceError: If the port cannot be had; names it.
        """
        _check_bindable(host, port)
        self._crew = Crew(workers)
        # Without so_reuseport=0, two services would share one port and take turns.
        options = [*message_options(max_message_bytes), ("grpc.so_reuseport", 0)]
        self._grpc = grpc.server(
            self._crew,  # type: ignore[arg-type] # any executor will do
            interceptors=[Admission(self._crew)],
            options=options,
            maximum_concurrent_rpcs=MAX_CALLS,
        )
        self._service = NeuralService(max_batch_size, max_message_bytes)
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._grpc)
        oip_service = OipService(lambda: self._service.models, self.nonce, max_batch_size, max_message_bytes)
        self._grpc.add_generic_rpc_handlers((self._service.handlers(), oip_service.handlers()))
        self._service_names = [SERVICE_NAME, OIP_SERVICE_NAME]
        if reflection_enabled:
            names = (*self._service_names, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._grpc, _reflected_messages())
        self._set_health(self._service_names, health_pb2.HealthCheckResponse.NOT_SERVING)
        self.host = host
        try:
            address = format_address(host, port)
            self.port = (
                self._grpc.add_insecure_port(address)
                if tls is None
                else self._grpc.add_secure_port(address, tls.credentials())
            )
        except RuntimeError as error:
            self._crew.shutdown()
            raise ServiceError(_why_not_bound(host, port, str(error))) from None

    @property
    def address(self) -> str:
        """Where clients reach it: `127.0.0.1:50052`."""
        return format_address(self.host, self.port)

    @property
    def nonce(self) -> str:
        """What tells this start of the service from every other."""
        return self._service.nonce

    def start(self, model_names: Iterable[str] = ()) -> None:
        """Accept calls; predictions are refused until `serve`, health says NOT_SERVING for services and models."""
        self._set_health(model_names, health_pb2.HealthCheckResponse.NOT_SERVING)
        self._grpc.start()

    def serve(self, models: HostedModels) -> None:
        """Answer for these models, already warm, from now on."""
        self._service.models = models
        names = [*self._service_names, *(model.name for model in models.models)]
        self._set_health(names, health_pb2.HealthCheckResponse.SERVING)

    def stop(self, grace_s: float) -> threading.Event:
        """
        Refuse new calls and let those in flight finish.

        Args:
            grace_s: After so long, what is still in flight is cancelled.

        Returns:
            An event that is set when nothing is in flight any more.
        """
        self._health.enter_graceful_shutdown()
        drained = self._grpc.stop(grace_s)
        threading.Thread(target=self._dismiss, args=(drained,), name="dismiss").start()
        return drained

    def _dismiss(self, drained: threading.Event) -> None:
        """Let the threads go, but not before the last call: gRPC may hand out some that came before the end."""
        while not drained.wait(_END_STEP_S):
            # The end does not wait for callers who watch health, or whose message has been coming for long.
            self._crew.cut_off()
        self._crew.shutdown()

    def _set_health(self, names: Iterable[str], status: "health_pb2.HealthCheckResponse.ServingStatus") -> None:
        """Set the health of services and models, and of the whole, whose name is empty."""
        for name in ("", *names):
            self._health.set(name, status)


def _reflected_messages() -> DescriptorPool:
    """Return the contracts of all services in one pool; runoff's own are in none that others see."""
    pool = DescriptorPool()
    for module in (neural_pb2, inference_pb2, health_pb2, reflection_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    return pool


def _check_bindable(host: str, port: int) -> None:
    """
    Raise ServiceError if a port cannot be had, by a plain socket.

    gRPC itself would not say why, and would write a line of its own to standard error first.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As gRPC has it: connections of a service that ended a moment ago are in nobody's way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ServiceError(_why_not_bound(host, port, str(error.strerror))) from None


def _why_not_bound(host: str, port: int, reason: str) -> str:
    return f"cannot listen on port {port} of {host}: {reason}; choose another with --port, or 0 for any free one"
