"""
Runs of the gate on noise: made up, or recorded on a shared machine. Everything is drawn from a seeded generator.

A source draws blocks: for each of `rows` cases the log-ratios candidate / baseline and null / baseline of `blocks`
sets of fresh processes, without any real change; made-up rounds are summed up as the gate does it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from runoff.gate.run.schedule import TURNS, typical_log_ratio
from runoff.gate.statistics import decision
from runoff.gate.statistics.decision import Finding, Verdict
from runoff.gate.statistics.plan import Plan

Float64Array = NDArray[np.float64]
Source = Callable[[np.random.Generator, int, int], tuple[Float64Array, Float64Array]]
RECORDED = Path(__file__).resolve().parents[3] / "shared" / "noise"

CASES, TOLERANCE = 24, 0.03
ROUNDS = 48
# Which side runs when: 0 candidate, 1 baseline, 2 the baseline's copy.
_ORDER = np.tile(np.ravel(TURNS), ROUNDS // 6)
# How many rounds of others come before each since the same side's last, as if the order had always gone on.
_WAITS = np.empty(len(_ORDER))
for _steps in (np.flatnonzero(_ORDER == _side) for _side in range(3)):
    _WAITS[_steps] = np.diff(_steps, prepend=_steps[-1] - len(_ORDER)) - 1


@dataclass(frozen=True)
class Machine:
    """
    What disturbs a round; all in log-units, chances per round.

    Attributes:
        process: Spread of what a process keeps for its life: layout, hash seeds.
        odd_process: Chance that a process is 10 % slower for no reason.
        round: Spread of single rounds.
        memory: Autocorrelation of neighbouring rounds.
        slow: How much slower the second speed is.
        switch: Chance of changing the speed.
        stall: Chance that a round takes up to twice as long.
        drift: Slope over a block.
        cold: How much slower a round is for each round of others since the same side's last: caches.
    """

    process: float = 0.01
    odd_process: float = 0.005
    round: float = 0.03
    memory: float = 0.7
    slow: float = 0.55
    switch: float = 0.02
    stall: float = 0.02
    drift: float = 0.1
    cold: float = 0.0

    def rounds(self, rng: np.random.Generator, rows: int) -> Float64Array:
        """Return log-durations of the three sides' rounds, shape (rows, 3, ROUNDS)."""
        steps = len(_ORDER)
        noise = rng.normal(0.0, self.round, (steps, rows))
        for step in range(1, steps):
            noise[step] = self.memory * noise[step - 1] + np.sqrt(1 - self.memory**2) * noise[step]
        speed = np.cumsum(rng.random((steps, rows)) < self.switch, axis=0) % 2 * self.slow
        stalls = (rng.random((steps, rows)) < self.stall) * rng.random((steps, rows)) * np.log(2.0)
        drift = np.linspace(0.0, 1.0, steps)[:, None] * rng.normal(0.0, self.drift, rows)
        everything = noise + speed + stalls + drift + self.cold * _WAITS[:, None]
        kept = rng.normal(0.0, self.process, (rows, 3)) + (rng.random((rows, 3)) < self.odd_process) * 0.1
        return np.stack([everything[_ORDER == side].T for side in range(3)], axis=1) + kept[:, :, None]

    def __call__(self, rng: np.random.Generator, rows: int, blocks: int) -> tuple[Float64Array, Float64Array]:
        """Draw blocks, each of shape (rows, blocks); a source."""
        rounds = self.rounds(rng, rows * blocks)
        ratio, null = (typical_log_ratio(rounds[:, side], rounds[:, 1]) for side in (0, 2))
        return ratio.reshape(rows, blocks), null.reshape(rows, blocks)


MACHINES = {
    "quiet": Machine(process=0.004, odd_process=0.0, round=0.01, slow=0.0, stall=0.0, drift=0.0),
    "usual": Machine(),
    "noisy": Machine(process=0.018, round=0.08, switch=0.1, stall=0.1, drift=0.3),
}
MACHINES["cold"] = replace(MACHINES["quiet"], cold=0.05)


@cache
def _recorded_blocks(file: str, batch: str) -> Float64Array:
    """Return one log-ratio per recorded pair of processes; shape (pairs,)."""
    with np.load(RECORDED / f"{file}.npz") as arrays:
        # The two took strict turns (ABBA), without a third: no kinds of pairs, so the median of all of them.
        return np.asarray(np.median(np.log(arrays[f"a_{batch}"] / arrays[f"b_{batch}"]), axis=1), dtype=np.float64)


@dataclass(frozen=True)
class Recording:
    """A source that draws from recorded pairs of processes; rows take the workloads in turn."""

    files: tuple[str, ...]
    batches: tuple[str, ...] = ("b1", "b64", "b1024")

    def __call__(self, rng: np.random.Generator, rows: int, blocks: int) -> tuple[Float64Array, Float64Array]:
        """Draw blocks; which of a pair is called the candidate is drawn too, both ran the same code."""
        tables = [_recorded_blocks(file, batch) for file in self.files for batch in self.batches]
        drawn = np.empty((2, rows, blocks))
        for kind, table in enumerate(tables):
            shape = drawn[:, kind :: len(tables)].shape
            drawn[:, kind :: len(tables)] = rng.choice(table, shape) * rng.choice((-1.0, 1.0), shape)
        return drawn[0], drawn[1]


@dataclass(frozen=True)
class Outcome:
    """
    What many simulated runs gave.

    Attributes:
        runs: How many.
        false_alarms: Runs in which a case without a slowdown was called a regression.
        invalid: Runs in which a case was called invalid.
        slowed: Cases with a slowdown, over all runs.
        found: Those of them that were called a regression.
        second_looks: Cases without a slowdown that needed the second stage, over all runs.
    """

    runs: int
    false_alarms: int
    invalid: int
    slowed: int
    found: int
    second_looks: int


def run_gates(source: Source, runs: int, *, slowdown: float = 0.0, slowed: int = 0, seed: int = 1) -> Outcome:
    """
    Gate many times.

    Args:
        source: Where blocks come from.
        runs: Gates.
        slowdown: Relative slowdown of some cases of the candidate.
        slowed: How many cases of each run have it; they are spread over the workloads.
        seed: Of everything that is drawn.

    Returns:
        What came out.
    """
    rng, plan = np.random.default_rng(seed), Plan()
    alarms = invalid = found = second_looks = 0
    effect = np.zeros(CASES)
    effect[np.linspace(0, CASES - 1, slowed).astype(int)] = np.log1p(slowdown)
    for _ in range(runs):
        second, words = _run_gate(rng, source, plan, effect)
        called = effect[second][[word is Verdict.REGRESSION for word in words]]
        alarms += bool(np.any(called == 0.0))
        found += int(np.count_nonzero(called))
        invalid += Verdict.INVALID in words
        second_looks += int(np.count_nonzero(effect[second] == 0.0))
    return Outcome(runs, alarms, invalid, runs * slowed, found, second_looks)


def _run_gate(
    rng: np.random.Generator, source: Source, plan: Plan, effect: Float64Array
) -> tuple[NDArray[np.intp], list[Verdict]]:
    """Return the cases of the second stage and their verdicts."""
    tolerance = np.full(CASES, TOLERANCE)
    first, first_null = source(rng, CASES, plan.first_blocks)
    second = np.flatnonzero(decision.needs_second_stage(first + effect[:, None], first_null, tolerance))
    if not len(second):
        return second, []
    # A case keeps its workload: draw for all cases, take those that go on.
    blocks, null = source(rng, CASES, plan.blocks_for(len(second)))
    findings: Sequence[Finding] = decision.decide(
        list((blocks + effect[:, None])[second]), list(null[second]), tolerance[second].tolist(), plan.alpha
    )
    return second, [finding.verdict for finding in findings]


def upper_confidence(count: int, of: int, level: float = 0.95) -> float:
    """Return the upper confidence bound of a rate (Clopper and Pearson, 1934)."""
    return 1.0 if count == of else float(stats.beta.ppf(level, count + 1, of - count))


def lower_confidence(count: int, of: int, level: float = 0.95) -> float:
    """Return the lower confidence bound of a rate."""
    return 1.0 - upper_confidence(of - count, of, level)


def naive_alarms(machine: Machine, runs: int, seed: int = 1) -> int:
    """
    Judge the same noise as is usual: sides measured one after the other, rounds pooled as if each were independent.

    Returns:
        Runs of CASES cases in which Welch's test with Holm's adjustment at 1 % called one slower by the tolerance.
    """
    rng, alarms = np.random.default_rng(seed), 0
    for _ in range(runs):
        rounds = machine.rounds(rng, CASES * Plan().first_blocks).reshape(CASES, -1, 3, ROUNDS)
        # The candidate's rounds of a block beside the baseline's of another: measured at other times.
        candidate, baseline = rounds[:, 1::2, 0].reshape(CASES, -1), rounds[:, 0:-1:2, 1].reshape(CASES, -1)
        p = stats.ttest_ind(candidate, baseline, axis=1, equal_var=False, alternative="greater").pvalue
        slower = candidate.mean(axis=1) - baseline.mean(axis=1) >= np.log1p(TOLERANCE)
        alarms += bool(np.any(slower & (p * CASES <= Plan().alpha)))
    return alarms
