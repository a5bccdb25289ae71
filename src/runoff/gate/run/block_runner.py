"""One block: every case once, its rounds by turns on the three sides."""

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from runoff.gate.run.channel import Message, WorkerLost, receive_all
from runoff.gate.run.schedule import MOST_CYCLES, TURNS, RoundLengths, typical_log_ratio
from runoff.gate.run.workers import BASELINE, CANDIDATE, NAMES, NULL, Deadlines, WorkerTrio
from runoff.gate.statistics.signed_rank import Float64Array


@dataclass(frozen=True)
class Failure:
    """
    Why a case could not be compared.

    Attributes:
        side: CANDIDATE, BASELINE or NULL.
        kind: `failed`, `skipped`, `unused` (the test never called its benchmark) or `lost`.
        reason: For people.
    """

    side: int
    kind: str
    reason: str


@dataclass(frozen=True)
class Published:
    """What the candidate's test said and measured in one block: seconds of each round, calls in it, and the rest."""

    durations_s: list[float]
    calls: int
    extra_info: dict[str, Any]
    group: str | None


@dataclass(frozen=True)
class CaseBlock:
    """
    One case in one block; either measured or failed.

    Attributes:
        case: Test id.
        cost_s: What it took, set-up included.
        failures: Why it was not measured; empty if it was.
        log_ratio: log(candidate / baseline), as `typical_log_ratio` has it.
        null_log_ratio: log(null / baseline), likewise.
        baseline_call_s: Median seconds of one call of the baseline.
        calls: Calls in a round.
        published: What the candidate's test published.
    """

    case: str
    cost_s: float
    failures: tuple[Failure, ...] = ()
    log_ratio: float = math.nan
    null_log_ratio: float = math.nan
    baseline_call_s: float = math.nan
    calls: int = 1
    published: Published | None = None

    @property
    def lost(self) -> bool:
        """Whether a child was lost over it."""
        return any(failure.kind == "lost" for failure in self.failures)


@dataclass
class BlockRunner:
    """
    Runs blocks.

    Attributes:
        rhythm: How long things are run.
        deadlines: How long a child may keep us waiting.
        calls: Per case the calls in a round, fixed when it is first measured and the same on all sides.
        on_case: Called with each case before it is run.
        end: Monotonic time at which measuring stops, whatever is going on.
        cut_short: Whether it stopped in the midst of a case, in which children may hang.
    """

    rhythm: RoundLengths = field(default_factory=RoundLengths)
    deadlines: Deadlines = field(default_factory=Deadlines)
    calls: dict[str, int] = field(default_factory=dict)
    on_case: Callable[[str], None] = lambda _: None
    end: float = math.inf
    cut_short: bool = False

    def is_over(self) -> bool:
        """Return whether the time for measuring has ended."""
        return time.monotonic() >= self.end

    def run_block(self, trio: WorkerTrio, cases: Sequence[str]) -> list[CaseBlock]:
        """
        Measure cases in one set of processes.

        Args:
            trio: Fresh children that have collected all of them.
            cases: Test ids.

        Returns:
            One entry per case, in order, up to and including the first that lost a child; or as many as could be
            measured before the end.
        """
        trio.tell(do="begin", cases=list(cases))
        blocks = []
        for case in cases:
            if self.is_over():
                break
            self.on_case(case)
            start = time.monotonic()
            block = self._run_case(trio, case, start)
            if block.lost and self.is_over():
                # Nobody waits longer for it: no fault of the case.
                self.cut_short = True
                break
            blocks.append(block)
            if block.lost:
                break
        return blocks

    def _patience_s(self, deadline_s: float) -> float:
        """Return how long to wait: as long as is usual, not beyond the end."""
        return max(0.0, min(deadline_s, self.end - time.monotonic()))

    def _run_case(self, trio: WorkerTrio, case: str, start: float) -> CaseBlock:
        trio.tell(do="run")
        arrived = receive_all(trio.connections, self._patience_s(self.deadlines.set_up_s))
        if not all(isinstance(word, dict) and word.get("at") == "ready" for word in arrived):
            return self._give_up(trio, case, arrived, start)
        side = CANDIDATE
        try:
            longest_call_ns = max(float(word["first_call_ns"]) for word in arrived if isinstance(word, dict))
            call_ns = [self._warm_up(trio, side := index, longest_call_ns) for index in range(3)]
            calls = self.calls.setdefault(case, self.rhythm.calls(sum(call_ns) / 3))
            times: list[list[float]] = [[], [], []]
            expected_ns = calls * max(call_ns)
            last_begins = time.monotonic_ns() + self.rhythm.case_ns
            for _ in range(MOST_CYCLES):
                for side in itertools.chain(*TURNS):
                    times[side].append(self._run_round(trio, side, calls, expected_ns))
                if time.monotonic_ns() >= last_begins:
                    break
        except WorkerLost as lost:
            return CaseBlock(case, _since(start), (Failure(side, "lost", trio.why_lost(side, lost)),))
        except _TestEndedError as ended:
            arrived = [ended.word if index == side else {"at": "ready"} for index in range(3)]
            return self._give_up(trio, case, arrived, start)
        trio.tell(do="publish")
        finished = receive_all(trio.connections, self._patience_s(self.deadlines.set_up_s))
        failures = _failures(trio, finished)
        if failures:
            return CaseBlock(case, _since(start), failures)
        return _measured(case, _since(start), np.array(times), calls, finished[CANDIDATE])

    def _give_up(self, trio: WorkerTrio, case: str, arrived: Sequence[Message | WorkerLost], start: float) -> CaseBlock:
        """End a case that did not come to its rounds everywhere: who is ready is let go."""
        words = list(arrived)
        waiting = [index for index, word in enumerate(words) if isinstance(word, dict) and word.get("at") == "ready"]
        for index in waiting:
            trio.connections[index].send(do="drop")
        for index in waiting:
            try:
                words[index] = trio.receive(index, self._patience_s(self.deadlines.set_up_s))
            except WorkerLost as lost:
                words[index] = lost
        return CaseBlock(case, _since(start), _failures(trio, words))

    def _warm_up(self, trio: WorkerTrio, side: int, longest_call_ns: float) -> float:
        trio.connections[side].send(do="warm", ns=self.rhythm.warm_ns)
        deadline_s = self.deadlines.round_s + 20e-9 * (longest_call_ns + self.rhythm.warm_ns)
        word = trio.receive(side, self._patience_s(deadline_s))
        return _number(word, "call_ns")

    def _run_round(self, trio: WorkerTrio, side: int, calls: int, expected_ns: float) -> float:
        trio.connections[side].send(do="round", calls=calls)
        return _number(trio.receive(side, self._patience_s(self.deadlines.round_s + 20e-9 * expected_ns)), "ns")


class _TestEndedError(Exception):
    """A test that ended (raised, was skipped) in the midst of its rounds."""

    def __init__(self, word: Message) -> None:
        super().__init__()
        self.word = word


def _number(word: Message, key: str) -> float:
    """Return a positive number of a word; a clock too coarse to see a call says 0."""
    if word.get("at") == "done":
        raise _TestEndedError(word)
    value = word.get(key)
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise WorkerLost(f"sent {str(word)[:100]}, expected {key}")
    return max(float(value), 1.0)


def _failures(trio: WorkerTrio, words: Sequence[Message | WorkerLost]) -> tuple[Failure, ...]:
    """Return what is wrong with the last words of a case, per side."""
    failures = []
    for side, word in enumerate(words):
        if isinstance(word, WorkerLost):
            failures.append(Failure(side, "lost", trio.why_lost(side, word)))
        elif word.get("outcome") in ("failed", "skipped"):
            failures.append(Failure(side, word["outcome"], f"{word['outcome']} on the {NAMES[side]}: {word['reason']}"))
        elif not word.get("used"):
            failures.append(Failure(side, "unused", f"the {NAMES[side]}'s test never called its benchmark"))
    return tuple(failures)


def _measured(case: str, cost_s: float, times_ns: Float64Array, calls: int, last: Message | WorkerLost) -> CaseBlock:
    log_times = np.log(times_ns)
    assert isinstance(last, dict)  # noqa: S101 - who was lost is a failure and does not come here
    return CaseBlock(
        case=case,
        cost_s=cost_s,
        log_ratio=float(typical_log_ratio(log_times[CANDIDATE], log_times[BASELINE])),
        null_log_ratio=float(typical_log_ratio(log_times[NULL], log_times[BASELINE])),
        baseline_call_s=float(np.median(times_ns[BASELINE])) / calls * 1e-9,
        calls=calls,
        published=Published(last["durations_s"], last["calls"], last.get("extra_info") or {}, last.get("group")),
    )


def _since(start: float) -> float:
    return time.monotonic() - start
