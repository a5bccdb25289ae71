"""The three pytest processes that run a block: candidate, baseline, and a second copy of the baseline (the null)."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

import psutil

from runoff.gate.baseline.side import Side, worker_environment
from runoff.gate.run.core_affinity import CoreAssignment
from runoff.gate.run.worker_channel import Connection, Listener, WorkerLost
from runoff.interrupts import interrupt_deferred

CANDIDATE, BASELINE, NULL = range(3)
NAMES = ("candidate", "baseline", "second copy of the baseline")
_LOG_TAIL_BYTES = 3000
# After a worker is disconnected, its fixtures stop their servers. runoff's own servers need at most 8 s to stop.
_STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Deadlines:
    """
    The longest times to wait for a worker, in seconds.

    Attributes:
        collect_s: Start of the processes and collection of the tests.
        set_up_s: Set-up of a case up to its first timed call, which may start a server; also its teardown.
        round_s: A round, in addition to twenty times its expected duration.
    """

    collect_s: float = 300.0
    set_up_s: float = 300.0
    round_s: float = 60.0


class Worker:
    """One pytest process. Its output goes to a log file, which is read only after a failure."""

    def __init__(self, side: Side, index: int, files: Sequence[str], settings: Mapping[str, Any]) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self.process = subprocess.Popen(  # noqa: S603 - pytest with the user's own arguments
            side.command(files),
            cwd=side.invocation.folder,
            env=worker_environment(side, json.dumps(settings)),
            # The worker exits when this pipe closes, which happens when the coordinator ends, even by SIGKILL.
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            # In its own process session, a worker gets no Ctrl-C. The coordinator gets it and stops the workers.
            start_new_session=True,
        )
        self.name = NAMES[index]
        self._descendants: list[psutil.Process] = []

    def check_alive(self) -> None:
        """Raise WorkerLost if the process has ended."""
        if self.process.poll() is not None:
            raise WorkerLost(f"the {self.name}'s pytest {self.describe_end()}")

    def describe_end(self) -> str:
        """Return a message that contains how the process ended and the last lines of its output."""
        with suppress(subprocess.TimeoutExpired):
            # Wait briefly, because a worker's connection can close a moment before its exit code is available.
            self.process.wait(0.5)
        code = self.process.poll()
        how = (
            "hangs" if code is None else f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        )
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
        tail = self._log.read().decode(errors="replace").strip() or "(nothing)"
        return f"{how}; its output ends with:\n{tail}"

    def remember_descendants(self) -> None:
        """Remember the worker's descendants now, because they cannot be found after the worker has ended."""
        with suppress(psutil.Error):
            self._descendants = psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, deadline: float) -> None:
        """Wait for the process to end until `deadline` (monotonic time). Then kill it and every process it started."""
        assert self.process.stdin is not None  # noqa: S101 - created with PIPE
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, deadline - time.monotonic()))
        if self.process.poll() is None:
            self.remember_descendants()
            self.process.kill()
        for process in self._descendants:
            with suppress(psutil.Error):
                process.kill()
        self.process.wait()
        self.process.stdin.close()
        self._log.close()


class WorkerSet:
    """
    The three workers of a block. The caller must call `stop` after the block.

    Attributes:
        connections: Connection to each worker, in the order CANDIDATE, BASELINE, NULL.
        collected: Test ids of the benchmarks that each worker collected.
        problems: Collection errors of each worker.
    """

    def __init__(
        self,
        candidate: Side,
        baseline: Side,
        cores: CoreAssignment,
        files: Sequence[str],
        gate_options: Mapping[str, Mapping[str, str]],
        collect_s: float,
    ) -> None:
        """Start the workers and wait until they have collected their tests. For errors, see `WorkerPool.start_next`."""
        self.connections: list[Connection] = []
        self._workers: list[Worker] = []
        self._grace_end: float | None = None
        try:
            with Listener() as listener:
                for index, side in enumerate((candidate, baseline, baseline)):
                    settings = {
                        "port": listener.port,
                        "token": listener.token,
                        "side": index,
                        "set_up_cores": cores.for_set_up(index),
                        "timed_cores": cores.timed,
                        "other_cores": cores.others,
                        "usable_cores": cores.usable,
                        "gate_options": gate_options,
                        "set_options": side.set_options,
                    }
                    # If Ctrl-C came after the process started but before the append, nothing would stop the process.
                    with interrupt_deferred():
                        self._workers.append(Worker(side, index, files, settings))
                accepted = listener.accept_workers(3, collect_s, self._check_alive)
        except BaseException:
            self.stop(grace_s=0.0)
            raise
        self.connections = [connection for connection, _ in accepted]
        self.collected = [[str(case) for case in message["cases"]] for _, message in accepted]
        self.problems = [[str(problem) for problem in message["problems"]] for _, message in accepted]

    def _check_alive(self) -> None:
        for worker in self._workers:
            worker.check_alive()

    def broadcast(self, **message: Any) -> None:
        """Send one message to all three workers."""
        for connection in self.connections:
            connection.send(**message)

    def why_lost(self, index: int, lost: WorkerLost) -> str:
        """Return the reason why a worker was lost, with its exit code and last output if its process has ended."""
        worker = self._workers[index]
        end = worker.describe_end()
        return f"the {worker.name} {lost}" if worker.process.poll() is None else f"the {worker.name}'s pytest {end}"

    def disconnect(self) -> None:
        """Make the workers exit, but do not wait for them. `stop` kills workers that still run ten seconds later."""
        for worker in self._workers:
            worker.remember_descendants()
        for connection in self.connections:
            connection.close()
        self._grace_end = time.monotonic() + _STOP_TIMEOUT_S

    def stop(self, grace_s: float | None = None) -> None:
        """
        Disconnect the workers and wait until all of them have ended. A second call does nothing.

        Workers that do not end are killed `grace_s` seconds from now, by default ten seconds after `disconnect`.
        """
        if self._grace_end is None:
            self.disconnect()
        assert self._grace_end is not None  # noqa: S101 - set by disconnect()
        deadline = self._grace_end if grace_s is None else time.monotonic() + grace_s
        with interrupt_deferred():
            while self._workers:
                self._workers.pop().stop(deadline)
