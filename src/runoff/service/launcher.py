"""Starts a service process, waits until it is ready, and makes sure that it ends when it is no longer needed."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import runoff
from runoff.errors import BackendUnavailable, ServiceError
from runoff.rpc.address import format_address
from runoff.service.parent_watch import with_parent_death_signal

# Importing TensorFlow took 6 s on an idle machine and 40 s on a busy one, so the limit is generous.
START_TIMEOUT_S = 120.0
# A service takes up to 7 s to stop: 5 s grace period and 2 s exit timeout (see lifecycle.py). 1 s is added as a margin.
STOP_TIMEOUT_S = 8.0
# SIGKILL ends a process immediately, unless it is blocked in a device driver. Waiting longer would not help then.
_KILL_TIMEOUT_S = 10.0
_POLL_S = 0.2
_TAIL_BYTES = 4096
_READY_LIMIT_BYTES = 4096


@dataclass
class RunningService(AbstractContextManager["RunningService"]):
    """
    A service process started by `launch`. It can be used in a `with` statement, which stops the process at its end.

    Attributes:
        process: The service process, which leads a process group of its own.
        log: The file that receives the process's standard output and standard error.
        address: The address for clients: `127.0.0.1:41234`.
        nonce: The random string by which GetModelInfo identifies this start of the service.
    """

    process: subprocess.Popen[bytes]
    log: IO[bytes]
    address: str = ""
    nonce: str = ""
    _final_log_tail: str = ""

    def log_tail(self) -> str:
        """Return the last lines of the service's log. This works even after the service has ended."""
        if self.log.closed:
            return self._final_log_tail
        size = os.fstat(self.log.fileno()).st_size
        # Use pread, because a seek would move the file offset that this process shares with the service, which writes.
        tail = os.pread(self.log.fileno(), _TAIL_BYTES, max(0, size - _TAIL_BYTES))
        return tail.decode(errors="replace").strip()

    def check_alive(self) -> None:
        """If the service has ended, raise ServiceError with its exit code and the last lines of its log."""
        if self.process.poll() is not None:
            raise ServiceError(f"the service at {self.address} {self.describe_end()}")

    @contextmanager
    def watched(self) -> Iterator[None]:
        """If the `with` block raises an error and the service has ended, add its exit code and last log lines to it."""
        try:
            yield
        except (BackendUnavailable, ServiceError) as error:
            # Wait briefly, because a connection often breaks before the operating system reports the process's end.
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=0.5)
            if self.process.poll() is None:
                raise
            raise ServiceError(f"{error}; the service {self.describe_end()}") from error

    def describe_end(self) -> str:
        """Describe how the service ended: its exit code or signal, and the last lines of its log."""
        code = self.process.returncode
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"{how}; its log ends with:\n{self.log_tail() or '(nothing)'}"

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Send SIGTERM, and then SIGKILL if the service is still running after `timeout_s` seconds."""
        if self.log.closed:
            return
        try:
            self._signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout_s)
        finally:
            # Send SIGKILL even if Ctrl-C interrupts the wait above. No weaker signal ends a suspended process.
            self._signal(signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_KILL_TIMEOUT_S)
            if self.process.stdin is not None:
                self.process.stdin.close()
            self._final_log_tail = self.log_tail()
            self.log.close()

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to the service's process group, unless the service has ended and its id may be in use again."""
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

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
    Start a service on a free port and wait until it is ready to answer calls.

    Args:
        engine: A key of registry.ENGINES.
        model_paths: Model files to serve.
        threads: Threads of one forward pass.
        spinning: Whether idle threads of the backend spin.
        device: `auto`, `cpu` or `gpu`.
        start_timeout_s: Seconds until the service must be ready.
        on_progress: Called about every second during the wait, with a line of text that contains the elapsed time.
        extra_arguments: Further arguments for `runoff serve`.

    Returns:
        The running service. It ends when this process ends, for whatever reason.

    Raises:
        ServiceError: If the service ends during the start or is not ready in time; with the last lines of its log.
    """
    arguments = ["--engine", engine, "--port", "0", "--threads", str(threads), "--device", device]
    arguments += ["--spinning"] * spinning + [f"--model={path}" for path in model_paths] + list(extra_arguments)
    ready_read, ready_write = os.pipe()
    with os.fdopen(ready_read, "rb", buffering=0) as ready:
        try:
            service = _start(arguments, ready_write)
        finally:
            os.close(ready_write)
        try:
            ready_line = _wait_until_ready(service, ready, start_timeout_s, on_progress)
            service.address = format_address(str(ready_line["host"]), int(ready_line["port"]))
            service.nonce = str(ready_line["nonce"])
        except BaseException:
            service.stop(timeout_s=0.5)
            raise
    return service


def _start(arguments: list[str], ready_fd: int) -> RunningService:
    # The temporary file has no name, so it disappears even if this process is killed.
    log = tempfile.TemporaryFile()  # noqa: SIM115 - the running service holds it
    # -P prevents the import of files such as numpy.py from the working directory. The folder of this runoff comes first
    # on the path, so that the service does not import another installation of runoff.
    command = [sys.executable, "-P", "-m", "runoff.service.launched_main", str(os.getpid())]
    command += ["serve", *arguments, "--ready-fd", str(ready_fd)]
    own_folder = str(Path(runoff.__file__).parent.parent)
    python_path = os.pathsep.join(filter(None, (own_folder, os.environ.get("PYTHONPATH"))))
    try:
        process = subprocess.Popen(  # noqa: S603 - our own command
            with_parent_death_signal(command),
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
    """Wait for the service's ready line and return it parsed. Raise ServiceError if the service ends or is too slow."""
    started = reported = time.monotonic()
    line = b""
    while (waited_s := time.monotonic() - started) < timeout_s:
        if select.select([ready], [], [], min(_POLL_S, timeout_s - waited_s))[0]:
            chunk = ready.read(_READY_LIMIT_BYTES)
            line += chunk
            if line.endswith(b"\n"):
                parsed: dict[str, str | int] = json.loads(line)
                return parsed
            if not chunk:
                # The service has closed the pipe without a ready line, so it has ended or is about to end.
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
