"""Runs a service from start to end: binds the port, loads the models, answers calls, and shuts down."""

import json
import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

from runoff.backends.base import Settings
from runoff.models.mlp import Mlp
from runoff.rpc.tls import ServerTls
from runoff.service import model_loading, parent_watch
from runoff.service.hosted_models import HostedModel
from runoff.service.server import Server

# Time that calls in flight have to finish at shutdown. A forward pass of the largest batch takes well under 1 s.
GRACE_S = 5.0
# After the grace period, the process waits this long for request handlers that still run, and then exits anyway.
_EXIT_TIMEOUT_S = 2.0
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """
    The validated options of `runoff serve`. The command's --help explains the options that are not listed here.

    Attributes:
        port: The port to listen on, or 0 for any free one.
        engine: A key of registry.ENGINES.
        ready_fd: File descriptor to which one line of JSON is written when the service is ready.
        tls: The server's certificate and the clients that it trusts; None for plain connections.
    """

    host: str
    port: int
    engine: str
    device: str
    settings: Settings
    workers: int
    ready_fd: int | None = None
    tls: ServerTls | None = None
    reflection: bool = False


class ShutdownRequest:
    """
    Waits for a request to shut down: SIGTERM, SIGINT or the parent's end. A second signal ends the process immediately.

    Attributes:
        is_serving: Set when the service is ready. Before that, a request ends the process immediately.
    """

    def __init__(self) -> None:
        self.is_serving = False
        self._is_requested = False
        self._signals = 0
        # Wait on a pipe, not on a lock. Python runs signal handlers between two bytecodes of the main thread, so if a
        # signal arrived just before this thread blocked on a lock, the handler would not run. On every signal, Python
        # immediately writes a byte into the pipe, waking this thread. Handlers use no lock: the thread may hold it.
        self._wakeup_read, self._wakeup_write = os.pipe()
        os.set_blocking(self._wakeup_write, False)
        signal.set_wakeup_fd(self._wakeup_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        parent_watch.orphan_handler = self._request

    def wait(self) -> None:
        """Return when shutdown is requested."""
        while not self._is_requested:
            os.read(self._wakeup_read, 1)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - signal's signature
        self._signals += 1
        if self._signals > 1:
            exit_now(128 + number)
        self._request()

    def _request(self) -> None:
        if not self.is_serving:
            # Exit immediately: while models are loading, no call is in flight, and imports cannot be stopped cleanly.
            exit_now(0)
        self._is_requested = True
        with suppress(BlockingIOError):  # The pipe is full, so it wakes the waiting thread without another byte.
            os.write(self._wakeup_write, b"\0")


def serve(options: Options, models: dict[str, tuple[Mlp, bool]]) -> int:
    """
    Serve models until shutdown is requested, then return the exit code 0.

    Args:
        options: The options of `runoff serve`.
        models: The models by name, each with whether it is untrained.

    Raises:
        RunoffError: If the port cannot be bound or a backend cannot be opened.
    """
    shutdown = ShutdownRequest()
    server = Server(options.host, options.port, options.workers, tls=options.tls, reflection_enabled=options.reflection)
    server.start(models)
    try:
        hosted = model_loading.open_models(models, options.engine, options.device, options.settings)
        # Set this before calls are answered: otherwise a signal between the two lines would cut off the first calls.
        shutdown.is_serving = True
        server.serve(hosted)
        _announce(options, server, hosted)
        shutdown.wait()
        _logger.info("shutting down: calls in flight have %g s to finish", GRACE_S)
    finally:
        drained = server.stop(GRACE_S if shutdown.is_serving else 0.0)
    # Wait in short steps, because the handler of a second signal can only run between two waits.
    while not drained.wait(0.1):
        pass
    # At exit, the interpreter joins the call threads. The timer ends the process even if a thread hangs in a backend.
    timer = threading.Timer(_EXIT_TIMEOUT_S, exit_now, (0,))
    timer.daemon = True
    timer.start()
    return 0


def exit_now(exit_code: int) -> None:
    """End this process immediately, without joining its threads."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        # Exit even if flushing fails, for example because this signal handler has interrupted a write.
        os._exit(exit_code)


def _announce(options: Options, server: Server, hosted: list[HostedModel]) -> None:
    """Announce that the service is ready: print a line for users, and send a line of JSON to the launcher."""
    backend = hosted[0].backend
    models = ", ".join(
        f"{model.name} ({model.mlp.description}{', untrained' if model.untrained else ''})" for model in hosted
    )
    # Some locales cannot encode the arrow (→) in the model's description, so escape such characters.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    device = f"{backend.device.type.upper()} {backend.device.name}".strip()
    print(f"serving on {server.address}: {options.engine} on {device}: {models}", flush=True)  # noqa: T201
    for model in hosted:
        if model.untrained:
            _logger.warning("%s is untrained: its outputs are meaningless", model.name)
    if options.ready_fd is not None:
        ready = {"host": server.host, "port": server.port, "pid": os.getpid(), "nonce": server.nonce}
        with os.fdopen(options.ready_fd, "w") as pipe:
            pipe.write(json.dumps(ready) + "\n")
