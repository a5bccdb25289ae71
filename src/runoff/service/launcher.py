"""Starts a service in a process of its own, waits until it is ready, and never leaves it behind."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

import runoff
from runoff.errors import BackendUnavailable, ServiceError
from runoff.rpc.address import format_address
from runoff.service.parent import command_that_ends_with_parent

# Importing TensorFlow takes 6 s on an idle core and has been seen to take 40 on a busy machine.
START_TIMEOUT_S = 120.0
# The service's own grace period (serving.GRACE_S) and the little that follows it.
STOP_TIMEOUT_S = 8.0
# The kernel kills at once, unless the process is stuck in a device driver; waiting longer does not help then.
_KILL_TIMEOUT_S = 10.0
_POLL_S = 0.2
_TAIL_BYTES = 4096
_READY_LIMIT_BYTES = 4096


@dataclass
class RunningService:
    """
    A service that was started here; a context manager that stops it.

    Attributes:
        address: Where it listens: `127.0.0.1:41234`.
        process: Its process, the leader of its own group.
        nonce: What GetModelInfo says for as long as it is this very start.
    """

    process: subprocess.Popen[bytes]
    log: IO[bytes]
    address: str = ""
    nonce: str = ""
    _last_words: str = ""

    def log_tail(self) -> str:
        """Return the last lines that the service wrote, also after its end."""
        if self.log.closed:
            return self._last_words
        size = os.fstat(self.log.fileno()).st_size
        # pread: the descriptor's own offset is shared with the service, which writes at it.
        tail = os.pread(self.log.fileno(), _TAIL_BYTES, max(0, size - _TAIL_BYTES))
        return tail.decode(errors="replace").strip()

    def check_alive(self) -> None:
        """Raise ServiceError with the exit code and the log's tail if the service has ended."""
        if self.process.poll() is not None:
            raise ServiceError(f"the service at {self.address} {self.describe_end()}")

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Add to an error raised inside, if the service has died meanwhile, how it died."""
        try:
            yield
        except (BackendUnavailable, ServiceError) as error:
            # The broken connection is often noticed a moment before the dead process can be.
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=0.5)
            if self.process.poll() is None:
                raise
            raise ServiceError(f"{error}; the service {self.describe_end()}") from error

    def describe_end(self) -> str:
        """Return how the service ended, with its log's tail."""
        code = self.process.returncode
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"{how}; its log ends with:\n{self.log_tail() or '(nothing)'}"

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """
        End the service: SIGTERM, then SIGKILL; a second call does nothing.

        Args:
            timeout_s: How long calls in flight may take before SIGKILL.
        """
        if self.log.closed:
            return
        try:
            self._signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout_s)
        finally:
            # Also after Ctrl-C in the wait above, and for a stopped process, which takes no other signal.
            self._signal(signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_KILL_TIMEOUT_S)
            if self.process.stdin is not None:
                self.process.stdin.close()
            self._last_words = self.log_tail()
            self.log.close()

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, unless its leader has been reaped and the number may be another's."""
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def launch(
    engine: str,
    model_paths: Sequence[Path | str],
    *,
    threads: int = 1,
    spinning: bool = False,
    device: str = "auto",
    start_timeout_s: float = START_TIMEOUT_S,
    on_progress: Callable[[str], None] | None = None,
    extra_arguments: Sequence[str] = (),
) -> RunningService:
    """
    Start a service on a free port and wait until it answers.

    Args:
        engine: A key of registry.ENGINES.
        model_paths: Its models.
        threads: Threads of one forward pass.
        spinning: Whether idle worker threads spin.
        device: `auto`, `cpu` or `gpu`.
        start_timeout_s: How long it may take to be ready.
        on_progress: Called about every second with a line that says how long it has taken so far.
        extra_arguments: Further words for `runoff serve`.

    Returns:
        The running service. It ends with this process, however this process ends.

    Raises:
        ServiceError: If it ends while starting, at once, or is not ready in time; with its log's tail.
    """
    words = ["--engine", engine, "--port", "0", "--threads", str(threads), "--device", device]
    words += ["--spinning"] * spinning + [f"--model={path}" for path in model_paths] + list(extra_arguments)
    ready_read, ready_write = os.pipe()
    with os.fdopen(ready_read, "rb", buffering=0) as ready:
        try:
            service = _start(words, ready_write)
        finally:
            os.close(ready_write)
        try:
            told = _wait_until_ready(service, ready, start_timeout_s, on_progress)
            service.address = format_address(str(told["host"]), int(told["port"]))
            service.nonce = str(told["nonce"])
        except BaseException:
            service.stop(timeout_s=0.5)
            raise
    return service


def _start(words: list[str], ready_fd: int) -> RunningService:
    # Without a name, so nothing is left behind even if this process is killed.
    log = tempfile.TemporaryFile()  # noqa: SIM115 - the running service holds it
    # -P: a file named numpy.py in the working directory is nobody's business here. The package's own folder
    # comes first, so the service is the same runoff as this one.
    words = ["serve", *words, "--ready-fd", str(ready_fd)]
    command = [sys.executable, "-P", "-m", "runoff.service.launched", str(os.getpid()), *words]
    own_folder = str(Path(runoff.__file__).parent.parent)
    python_path = os.pathsep.join(filter(None, (own_folder, os.environ.get("PYTHONPATH"))))
    try:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command_that_ends_with_parent(command),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=(ready_fd,),
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": python_path, "PYTHONUTF8": "1"},
        )
    except BaseException:
        log.close()
        raise
    return RunningService(process, log)


def _wait_until_ready(
    service: RunningService, ready: IO[bytes], timeout_s: float, on_progress: Callable[[str], None] | None
) -> dict[str, str | int]:
    """Return the service's ready line; ServiceError if it ends or is late."""
    started = reported = time.monotonic()
    line = b""
    while (waited_s := time.monotonic() - started) < timeout_s:
        if select.select([ready], [], [], min(_POLL_S, timeout_s - waited_s))[0]:
            chunk = ready.read(_READY_LIMIT_BYTES)
            line += chunk
            if line.endswith(b"\n"):
                told: dict[str, str | int] = json.loads(line)
                return told
            if not chunk:
                # The only other end of the pipe was the service's: it has ended or is about to.
                with suppress(subprocess.TimeoutExpired):
                    service.process.wait(timeout=1.0)
        if service.process.poll() is not None:
            raise ServiceError(f"the service did not start: it {service.describe_end()}")
        if on_progress is not None and time.monotonic() - reported >= 1.0:
            reported = time.monotonic()
            on_progress(f"waiting for the service to be ready: {reported - started:.0f} s")
    raise ServiceError(
        f"the service was not ready after {timeout_s:g} s; its log ends with:\n{service.log_tail() or '(nothing)'}"
    )
