"""The pytest processes of a block: candidate, baseline and the baseline's copy, the null."""

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
from runoff.gate.run.channel import Connection, Listener, Message, WorkerLost
from runoff.gate.run.core_affinity import CoreAssignment
from runoff.interrupts import uninterrupted

CANDIDATE, BASELINE, NULL = range(3)
NAMES = ("candidate", "baseline", "second copy of the baseline")
_LOG_TAIL_BYTES = 3000
# A child whose coordinator hung up closes its servers; ours take 8 s at most.
_STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Deadlines:
    """
    The longest waits, in seconds.

    Attributes:
        collect_s: For children to start and collect.
        set_up_s: For a case to come to its benchmark, and to end after it; a service may start meanwhile.
        round_s: For a round, beside what it was expected to take.
    """

    collect_s: float = 300.0
    set_up_s: float = 300.0
    round_s: float = 60.0


class Worker:
    """One pytest process; its output goes to a log that is read only when something went wrong."""

    def __init__(self, side: Side, index: int, files: Sequence[str], settings: Mapping[str, Any]) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        told = dict(settings) | {"side": index, "set_options": side.set_options}
        self.process = subprocess.Popen(  # noqa: S603 - pytest, as the user called it
            side.command(files),
            cwd=side.invocation.folder,
            env=worker_environment(side, json.dumps(told)),
            # Held open: its end tells the child that we are gone, however we went.
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for the coordinator, which ends its children in order.
            start_new_session=True,
        )
        self.name = NAMES[index]
        self._family: list[psutil.Process] = []

    def check_alive(self) -> None:
        """Raise WorkerLost if the process has ended."""
        if self.process.poll() is not None:
            raise WorkerLost(f"the {self.name}'s pytest {self.describe_end()}")

    def describe_end(self) -> str:
        """Return how it ended, with the tail of what it said."""
        with suppress(subprocess.TimeoutExpired):
            # The closed connection is noticed a moment before the dead process can be.
            self.process.wait(0.5)
        code = self.process.poll()
        how = (
            "hangs" if code is None else f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        )
        return f"{how}; its output ends with:\n{self.log_tail() or '(nothing)'}"

    def log_tail(self) -> str:
        """Return the last lines of its output."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _LOG_TAIL_BYTES))
        return self._log.read().decode(errors="replace").strip()

    def note_family(self) -> None:
        """Remember what it has started: once it has ended, nobody can tell whose that was."""
        with suppress(psutil.Error):
            self._family = psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, deadline: float) -> None:
        """Wait until a monotonic time for the child to end by itself, then kill it and all that it started."""
        assert self.process.stdin is not None  # noqa: S101 - made with PIPE
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, deadline - time.monotonic()))
        if self.process.poll() is None:
            self.note_family()
            self.process.kill()
        for process in self._family:
            with suppress(psutil.Error):
                process.kill()
        self.process.wait()
        self.process.stdin.close()
        self._log.close()


class WorkerTrio:
    """
    The three children of a block; whoever has them stops them.

    Attributes:
        connections: Per child, in the order CANDIDATE, BASELINE, NULL.
        collected: Per child the test ids of its benchmarks.
        problems: Per child what it could not collect.
    """

    def __init__(
        self,
        candidate: Side,
        baseline: Side,
        cores: CoreAssignment,
        files: Sequence[str],
        gate_options: Mapping[str, str],
        deadlines: Deadlines,
    ) -> None:
        self.connections: list[Connection] = []
        self.collected: list[list[str]] = []
        self.problems: list[list[str]] = []
        self._children: list[Worker] = []
        self._grace_ends: float | None = None
        try:
            with Listener() as listener:
                for index, side in enumerate((candidate, baseline, baseline)):
                    told = _settings(listener, cores, index, gate_options)
                    # A child that was started and not noted would be left behind.
                    with uninterrupted():
                        self._children.append(Worker(side, index, files, told))
                introduced = listener.connect(3, deadlines.collect_s, self._check_alive)
        except BaseException:
            self.stop(grace_s=0.0)
            raise
        self.connections = [connection for connection, _ in introduced]
        self.collected = [[str(case) for case in word["cases"]] for _, word in introduced]
        self.problems = [[str(problem) for problem in word["problems"]] for _, word in introduced]

    def _check_alive(self) -> None:
        for child in self._children:
            child.check_alive()

    def tell(self, **word: Any) -> None:
        """Say the same to all."""
        for connection in self.connections:
            connection.send(**word)

    def why_lost(self, index: int, lost: WorkerLost) -> str:
        """Return what happened to a lost child, with its last words if it has ended."""
        child = self._children[index]
        end = child.describe_end()
        return f"the {child.name} {lost}" if child.process.poll() is None else f"the {child.name}'s pytest {end}"

    def receive(self, index: int, deadline_s: float) -> Message:
        """Wait for one child's word; as Connection.receive."""
        return self.connections[index].receive(deadline_s)

    def hang_up(self) -> None:
        """Let the children end, without waiting for it; they have the usual grace from now on."""
        for child in self._children:
            child.note_family()
        for connection in self.connections:
            connection.close()
        self._grace_ends = time.monotonic() + _STOP_TIMEOUT_S

    def stop(self, grace_s: float | None = None) -> None:
        """Hang up, unless that was done, and see all children end; a second call does nothing."""
        if self._grace_ends is None:
            self.hang_up()
        assert self._grace_ends is not None  # noqa: S101 - set by hanging up
        deadline = self._grace_ends if grace_s is None else time.monotonic() + grace_s
        with uninterrupted():
            while self._children:
                self._children.pop().stop(deadline)


def _settings(listener: Listener, cores: CoreAssignment, index: int, gate_options: Mapping[str, str]) -> dict[str, Any]:
    return {
        "port": listener.port,
        "token": listener.token,
        "home_cores": cores.home(index),
        "duel_cores": cores.duel,
        "other_cores": cores.others,
        "all_cores": cores.usable,
        "gate_options": dict(gate_options),
    }
