"""The life of one service process: bind, load, answer, drain, end."""

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
from runoff.service import loading, parent
from runoff.service.hosting import HostedModels
from runoff.service.server import Server

# A forward pass of the largest batch takes well under a second; a launcher waits a little longer than this.
GRACE_S = 5.0
# What a handler that never returns may hold up the end of the process, after the grace period.
_LAST_WAIT_S = 2.0
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """
    What `runoff serve` was asked for, checked.

    Attributes:
        host: Address of this machine.
        port: 0 for any free one.
        engine: A key of registry.ENGINES.
        device: `auto`, `cpu` or `gpu`.
        settings: Threads and spinning.
        workers: Threads that handle calls.
        ready_fd: Where a launcher wants one line of JSON when the service is ready.
        tls: What the service shows and whom it lets in, if it speaks TLS.
        reflection: Whether it describes its services to whoever asks.
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


class _End:
    """The request to end: a signal, or the end of the launcher."""

    def __init__(self) -> None:
        self.is_serving = False
        self._is_asked = False
        self._signals = 0
        # Python only notes a signal and calls the handler between two steps of the main thread. One that comes just
        # before that thread goes to sleep on a lock or a queue does not wake it; so it sleeps by reading this pipe,
        # into which a byte is written at once, between no steps. A handler takes no lock, either: this thread may be
        # holding it.
        self._wake_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        self._write_end = write_end
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        parent.when_orphaned(self._ask)

    def wait(self) -> None:
        """Return when the end is asked for."""
        while not self._is_asked:
            os.read(self._wake_end, 1)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - signal's signature
        self._signals += 1
        if self._signals > 1:
            end_process(128 + number)
        self._ask()

    def _ask(self) -> None:
        if not self.is_serving:
            # Nothing is in flight while models are loaded, and an import cannot be asked to hurry.
            end_process(0)
        self._is_asked = True
        with suppress(BlockingIOError):  # so full that it wakes anyway
            os.write(self._write_end, b"\0")


def serve(options: Options, models: dict[str, tuple[Mlp, bool]]) -> int:
    """
    Serve models until asked to end.

    Args:
        options: Where and how.
        models: Name to model and whether it is untrained.

    Returns:
        0.

    Raises:
        RunoffError: If the port or a backend cannot be had.
    """
    end = _End()
    server = Server(options.host, options.port, options.workers, tls=options.tls, reflection_enabled=options.reflection)
    server.start(models)
    try:
        hosted = loading.host(models, options.engine, options.device, options.settings)
        # In this order: a signal between the two must not cut off the first calls.
        end.is_serving = True
        server.serve(hosted)
        _announce(options, server, hosted)
        end.wait()
        _logger.info("ending: calls in flight have %g s", GRACE_S)
    finally:
        drained = server.stop(GRACE_S if end.is_serving else 0.0)
    # By short waits, between which the second signal is heard.
    while not drained.wait(0.1):
        pass
    # The interpreter joins worker threads at exit; one that hangs in a backend would keep the process.
    end_process_after(_LAST_WAIT_S)
    return 0


def end_process(exit_code: int) -> None:
    """End this process at once, without joining threads."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        # A signal handler must not flush what its own thread is just writing: that raises.
        os._exit(exit_code)


def end_process_after(delay_s: float) -> None:
    """End this process after a while unless it ends by itself."""
    timer = threading.Timer(delay_s, end_process, (0,))
    timer.daemon = True
    timer.start()


def _announce(options: Options, server: Server, hosted: HostedModels) -> None:
    """Say on standard output, and to the launcher, that the service is ready."""
    backend = hosted.models[0].backend
    models = ", ".join(
        f"{model.name} ({model.mlp.description}{', untrained' if model.untrained else ''})" for model in hosted.models
    )
    # In a locale without → the line is still worth having.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    device = f"{backend.device.type.upper()} {backend.device.name}".strip()
    print(f"serving on {server.address}: {options.engine} on {device}: {models}", flush=True)  # noqa: T201
    for model in hosted.models:
        if model.untrained:
            _logger.warning("%s is untrained: its answers mean nothing", model.name)
    if options.ready_fd is not None:
        ready = {"host": server.host, "port": server.port, "pid": os.getpid(), "nonce": server.nonce}
        with os.fdopen(options.ready_fd, "w") as pipe:
            pipe.write(json.dumps(ready) + "\n")
