"""Measure every case once with one set of three workers, which take turns running their rounds."""

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from runoff.gate.run.case_block import CaseBlock, Failure, PublishedRounds
from runoff.gate.run.schedule import MOST_CYCLES, TURNS, RoundLengths, typical_log_ratio
from runoff.gate.run.worker_channel import Message, WorkerLost, receive_all
from runoff.gate.run.workers import BASELINE, CANDIDATE, NAMES, NULL, Deadlines, WorkerSet
from runoff.gate.statistics.signed_rank import Float64Array


@dataclass
class BlockRunner:
    """
    Runs blocks. In each block, a fresh set of workers measures every case once.

    Attributes:
        round_lengths: Target durations of rounds and warm-up.
        deadlines: Longest waits for a worker.
        iterations: Number of iterations in a round, by case. The first block sets it for all blocks and sides.
        on_case: Called with each test id before it runs.
        end: Monotonic time at which measuring stops, even in the middle of a case.
        cut_short: Whether measuring stopped in the middle of a case. If so, the case's workers may hang.
    """

    round_lengths: RoundLengths = field(default_factory=RoundLengths)
    deadlines: Deadlines = field(default_factory=Deadlines)
    iterations: dict[str, int] = field(default_factory=dict)
    on_case: Callable[[str], None] = lambda _: None
    end: float = math.inf
    cut_short: bool = False

    def is_over(self) -> bool:
        """Return whether the time limit for measuring has been reached."""
        return time.monotonic() >= self.end

    def run_block(self, workers: WorkerSet, cases: Sequence[str]) -> list[CaseBlock]:
        """
        Measure cases with fresh workers that have collected them. Return one result per case, in the same order.

        The remaining cases have no result if a case loses a worker, or if the time limit is reached.
        """
        workers.broadcast(request="begin", cases=list(cases))
        blocks = []
        for case in cases:
            if self.is_over():
                break
            self.on_case(case)
            start = time.monotonic()
            block = self._run_case(workers, case, start)
            if block.lost and self.is_over():
                # The wait ended because the time budget was used up. The case did not fail, so it gets no result.
                self.cut_short = True
                break
            blocks.append(block)
            if block.lost:
                break
        return blocks

    def timeout_s(self, deadline_s: float) -> float:
        """Return the timeout of a wait in seconds: the usual deadline, but at most the time left until `end`."""
        return max(0.0, min(deadline_s, self.end - time.monotonic()))

    def _run_case(self, workers: WorkerSet, case: str, start: float) -> CaseBlock:
        workers.broadcast(request="run")
        messages = receive_all(workers.connections, self.timeout_s(self.deadlines.set_up_s))
        if not all(isinstance(message, dict) and message.get("state") == "ready" for message in messages):
            return self._abandon_case(workers, case, messages, start)
        side = CANDIDATE
        try:
            warm_ns = self.round_lengths.warm_ns
            longest_ns = warm_ns + max(float(each["first_call_ns"]) for each in messages if isinstance(each, dict))
            warm_up = {"request": "warm_up", "duration_ns": warm_ns}
            call_ns = [self._request_ns(workers, side := index, warm_up, "call_ns", longest_ns) for index in range(3)]
            iterations = self.iterations.setdefault(case, self.round_lengths.iterations(sum(call_ns) / 3))
            times_ns: list[list[float]] = [[], [], []]
            one_round = {"request": "round", "iterations": iterations}
            expected_ns = iterations * max(call_ns)
            last_start_ns = time.monotonic_ns() + self.round_lengths.case_ns
            for _ in range(MOST_CYCLES):
                for side in itertools.chain(*TURNS):
                    times_ns[side].append(self._request_ns(workers, side, one_round, "round_ns", expected_ns))
                if time.monotonic_ns() >= last_start_ns:
                    break
        except WorkerLost as lost:
            return CaseBlock(case, time.monotonic() - start, (Failure(side, "lost", workers.why_lost(side, lost)),))
        except _TestEndedError as ended:
            messages = [ended.message if index == side else {"state": "ready"} for index in range(3)]
            return self._abandon_case(workers, case, messages, start)
        workers.broadcast(request="publish")
        finished = receive_all(workers.connections, self.timeout_s(self.deadlines.set_up_s))
        failures = _failures(workers, finished)
        if failures:
            return CaseBlock(case, time.monotonic() - start, failures)
        return _measured(case, time.monotonic() - start, np.array(times_ns), iterations, finished[CANDIDATE])

    def _abandon_case(
        self, workers: WorkerSet, case: str, messages: Sequence[Message | WorkerLost], start: float
    ) -> CaseBlock:
        """End a case that at least one worker cannot run: release the waiting workers, and return the failures."""
        last = list(messages)
        ready = [index for index, each in enumerate(last) if isinstance(each, dict) and each.get("state") == "ready"]
        for index in ready:
            workers.connections[index].send(request="drop")
        for index in ready:
            try:
                last[index] = workers.connections[index].receive(self.timeout_s(self.deadlines.set_up_s))
            except WorkerLost as lost:
                last[index] = lost
        return CaseBlock(case, time.monotonic() - start, _failures(workers, last))

    def _request_ns(self, workers: WorkerSet, side: int, request: Message, key: str, expected_ns: float) -> float:
        """Return a duration that one worker measures. Wait at most `round_s` plus twenty times `expected_ns`."""
        connection = workers.connections[side]
        connection.send(**request)
        message = connection.receive(self.timeout_s(self.deadlines.round_s + 20e-9 * expected_ns))
        if message.get("state") == "done":
            raise _TestEndedError(message)
        value = message.get(key)
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise WorkerLost(f"sent {str(message)[:100]}, expected {key}")
        # If the clock is too coarse, it measures 0, which has no logarithm, so return at least 1 ns.
        return max(float(value), 1.0)


class _TestEndedError(Exception):
    """Raised if a test fails or is skipped in the middle of its rounds."""

    def __init__(self, message: Message) -> None:
        super().__init__()
        self.message = message


def _failures(workers: WorkerSet, messages: Sequence[Message | WorkerLost]) -> tuple[Failure, ...]:
    """Return the failures that the three workers reported in their last messages about a case."""
    failures = []
    for side, message in enumerate(messages):
        name = NAMES[side]
        if isinstance(message, WorkerLost):
            failures.append(Failure(side, "lost", workers.why_lost(side, message)))
        elif message.get("outcome") in ("failed", "skipped"):
            outcome = message["outcome"]
            failures.append(Failure(side, outcome, f"{outcome} on the {name}: {message['reason']}"))
        elif not message.get("used"):
            failures.append(Failure(side, "unused", f"the {name}'s test never called its benchmark"))
    return tuple(failures)


def _measured(
    case: str, cost_s: float, times_ns: Float64Array, iterations: int, last: Message | WorkerLost
) -> CaseBlock:
    """Return the result of a measured case. `times_ns` contains round durations, shape (3, rounds)."""
    log_times = np.log(times_ns)
    assert isinstance(last, dict)  # noqa: S101 - a lost worker is a failure, and this case has none
    return CaseBlock(
        case=case,
        cost_s=cost_s,
        log_ratio=float(typical_log_ratio(log_times[CANDIDATE], log_times[BASELINE])),
        null_log_ratio=float(typical_log_ratio(log_times[NULL], log_times[BASELINE])),
        baseline_call_s=float(np.median(times_ns[BASELINE])) / iterations * 1e-9,
        published=PublishedRounds(
            last["durations_s"], last["iterations"], last.get("extra_info") or {}, last.get("group")
        ),
    )
