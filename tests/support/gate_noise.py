"""
Simulates whole gate runs with seeded random noise, which is either synthetic or drawn from recordings.

A block source is a function `source(rng, cases, blocks)`. It returns two arrays of shape (cases, blocks): the
log-ratios candidate / baseline and null / baseline, as the gate would measure them if both sides ran the same code.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from runoff.gate.run.schedule import TURNS, typical_log_ratio
from runoff.gate.run.workers import BASELINE, CANDIDATE, NULL
from runoff.gate.statistics import decision
from runoff.gate.statistics.decision import Verdict
from runoff.gate.statistics.plan import Plan

Float64Array = NDArray[np.float64]
BlockSource = Callable[[np.random.Generator, int, int], tuple[Float64Array, Float64Array]]
RECORDINGS_FOLDER = Path(__file__).resolve().parents[3] / "shared" / "noise"

CASES, TOLERANCE = 24, 0.03
ROUNDS_PER_SIDE = 48
# The side (candidate, baseline or null) whose round is measured in each turn of a block.
_SIDES_BY_TURN = np.tile(np.ravel(TURNS), ROUNDS_PER_SIDE // 6)
# For each turn, the number of rounds that other sides have run since the previous round of the same side. A side's
# first turn has no previous round, so count as if the sequence of turns were repeated endlessly.
_WAITS_BY_TURN = np.empty(len(_SIDES_BY_TURN))
for _turns in (np.flatnonzero(_SIDES_BY_TURN == _side) for _side in (CANDIDATE, BASELINE, NULL)):
    _WAITS_BY_TURN[_turns] = np.diff(_turns, prepend=_turns[-1] - len(_SIDES_BY_TURN)) - 1


@dataclass(frozen=True)
class SyntheticMachine:
    """
    A simulated machine with synthetic timing noise. It can be called as a block source, like `Recording`.

    Spreads are standard deviations of log-durations, so 0.01 is about 1 %. Probabilities are per round.

    Attributes:
        process_spread: Differences that a process keeps for its lifetime, such as memory layout and hash seeds.
        slow_process_probability: Probability that a whole process is 10 % slower.
        round_spread: Differences between single rounds.
        autocorrelation: Correlation of one round's noise with the next round's.
        second_speed: Log-ratio of the slow processor speed to the fast one.
        speed_change_probability: Probability that the processor changes to its other speed.
        stall_probability: Probability that a stall makes a round up to twice as long.
        drift_spread: Steady slowdown or speed-up from the first to the last round of a block.
        cold_cache_cost: Slowdown of a round for each round of another side since this side's previous round.
    """

    process_spread: float = 0.01
    slow_process_probability: float = 0.005
    round_spread: float = 0.03
    autocorrelation: float = 0.7
    second_speed: float = 0.55
    speed_change_probability: float = 0.02
    stall_probability: float = 0.02
    drift_spread: float = 0.1
    cold_cache_cost: float = 0.0

    def draw_rounds(self, rng: np.random.Generator, rows: int) -> Float64Array:
        """Return simulated log-durations, shape (rows, 3 sides, ROUNDS_PER_SIDE). A row is one block of one case."""
        turns = len(_SIDES_BY_TURN)
        noise = rng.normal(0.0, self.round_spread, (turns, rows))
        for turn in range(1, turns):
            fresh = np.sqrt(1 - self.autocorrelation**2) * noise[turn]
            noise[turn] = self.autocorrelation * noise[turn - 1] + fresh
        speed_changes = rng.random((turns, rows)) < self.speed_change_probability
        speed = np.cumsum(speed_changes, axis=0) % 2 * self.second_speed
        stalls = (rng.random((turns, rows)) < self.stall_probability) * rng.random((turns, rows)) * np.log(2.0)
        drift = np.linspace(0.0, 1.0, turns)[:, None] * rng.normal(0.0, self.drift_spread, rows)
        by_turn = noise + speed + stalls + drift + self.cold_cache_cost * _WAITS_BY_TURN[:, None]
        by_process = rng.normal(0.0, self.process_spread, (rows, 3))
        by_process += (rng.random((rows, 3)) < self.slow_process_probability) * 0.1
        by_side = np.stack([by_turn[_SIDES_BY_TURN == side].T for side in (CANDIDATE, BASELINE, NULL)], axis=1)
        return by_side + by_process[:, :, None]

    def __call__(self, rng: np.random.Generator, cases: int, blocks: int) -> tuple[Float64Array, Float64Array]:
        """Draw the rounds of each block, and reduce them to log-ratios with the gate's own `typical_log_ratio`."""
        rounds = self.draw_rounds(rng, cases * blocks)
        log_ratio = typical_log_ratio(rounds[:, CANDIDATE], rounds[:, BASELINE])
        null_log_ratio = typical_log_ratio(rounds[:, NULL], rounds[:, BASELINE])
        return log_ratio.reshape(cases, blocks), null_log_ratio.reshape(cases, blocks)


_QUIET = SyntheticMachine(
    process_spread=0.004, slow_process_probability=0.0, round_spread=0.01, second_speed=0.0, stall_probability=0.0,
    drift_spread=0.0,
)  # fmt: skip
MACHINES = {
    "quiet": _QUIET,
    "usual": SyntheticMachine(),
    "noisy": SyntheticMachine(
        process_spread=0.018, round_spread=0.08, speed_change_probability=0.1, stall_probability=0.1, drift_spread=0.3
    ),
    "cold": replace(_QUIET, cold_cache_cost=0.05),
}


@cache
def _recorded_log_ratios(file: str, batch: str) -> Float64Array:
    """Return log(time of A / time of B) for each recorded pair of processes that ran the same code, shape (pairs,)."""
    with np.load(RECORDINGS_FOLDER / f"{file}.npz") as arrays:
        # `typical_log_ratio` expects rounds of three sides, but only two processes were recorded. They took turns in
        # the order ABBA, for which the plain median is unbiased.
        log_ratios = np.log(arrays[f"a_{batch}"] / arrays[f"b_{batch}"])
        return np.asarray(np.median(log_ratios, axis=1), dtype=np.float64)


@dataclass(frozen=True)
class Recording:
    """
    A block source that draws its noise from recorded pairs of processes, which ran on a shared machine.

    Attributes:
        files: Names of recordings in RECORDINGS_FOLDER, without their suffix.
        batches: The recorded batch sizes; the cases of a run take all combinations of file and batch by turns.
    """

    files: tuple[str, ...]
    batches: tuple[str, ...] = ("b1", "b64", "b1024")

    def __call__(self, rng: np.random.Generator, cases: int, blocks: int) -> tuple[Float64Array, Float64Array]:
        """Draw log-ratios with random signs, because either process of a recorded pair could be the candidate."""
        tables = [_recorded_log_ratios(file, batch) for file in self.files for batch in self.batches]
        drawn = np.empty((2, cases, blocks))
        for index, table in enumerate(tables):
            shape = drawn[:, index :: len(tables)].shape
            drawn[:, index :: len(tables)] = rng.choice(table, shape) * rng.choice((-1.0, 1.0), shape)
        return drawn[0], drawn[1]


@dataclass(frozen=True)
class SimulationCounts:
    """
    Counts over many simulated gate runs. A "slowed" case has a simulated slowdown, and an "unchanged" case has none.

    Attributes:
        runs: Simulated gate runs.
        false_alarm_runs: Runs in which an unchanged case was called a regression.
        invalid_runs: Runs in which a case was called invalid.
        slowed_cases: Slowed cases in all runs together.
        found_cases: Slowed cases that were called a regression.
        second_stage_cases: Unchanged cases that needed the second stage, in all runs together.
    """

    runs: int
    false_alarm_runs: int
    invalid_runs: int
    slowed_cases: int
    found_cases: int
    second_stage_cases: int


def simulate_gates(
    source: BlockSource, runs: int, *, slowdown: float = 0.0, slowed: int = 0, seed: int = 1
) -> SimulationCounts:
    """
    Simulate gate runs of CASES cases.

    Args:
        source: Where the blocks come from.
        runs: Number of runs.
        slowdown: Relative slowdown of the slowed cases.
        slowed: Number of slowed cases in each run, spread evenly over the cases.
        seed: Seed of the random generator.

    Returns:
        Counts over all runs.
    """
    rng, plan = np.random.default_rng(seed), Plan()
    false_alarm_runs = invalid_runs = found_cases = second_stage_cases = 0
    effect = np.zeros(CASES)
    effect[np.linspace(0, CASES - 1, slowed).astype(int)] = np.log1p(slowdown)
    for _ in range(runs):
        in_second_stage, verdicts = _simulate_gate(rng, source, plan, effect)
        regression_effects = effect[in_second_stage][[verdict is Verdict.REGRESSION for verdict in verdicts]]
        false_alarm_runs += bool(np.any(regression_effects == 0.0))
        found_cases += int(np.count_nonzero(regression_effects))
        invalid_runs += Verdict.INVALID in verdicts
        second_stage_cases += int(np.count_nonzero(effect[in_second_stage] == 0.0))
    return SimulationCounts(runs, false_alarm_runs, invalid_runs, runs * slowed, found_cases, second_stage_cases)


def _simulate_gate(
    rng: np.random.Generator, source: BlockSource, plan: Plan, effect: Float64Array
) -> tuple[NDArray[np.intp], list[Verdict]]:
    """Simulate one gate run. Return the indices and verdicts of the cases that needed the second stage."""
    tolerance = np.full(CASES, TOLERANCE)
    first, first_null = source(rng, CASES, plan.first_blocks)
    chosen = np.flatnonzero(decision.needs_second_stage(first + effect[:, None], first_null, tolerance))
    if not len(chosen):
        return chosen, []
    # Draw blocks for all cases, then select the chosen ones, because a Recording assigns batch sizes by case index.
    blocks, null_blocks = source(rng, CASES, plan.blocks_for(len(chosen)))
    findings = decision.decide(
        list((blocks + effect[:, None])[chosen]), list(null_blocks[chosen]), tolerance[chosen].tolist(), plan.alpha
    )
    return chosen, [finding.verdict for finding in findings]


def upper_confidence(count: int, total: int, level: float = 0.95) -> float:
    """Return the one-sided upper confidence bound of the proportion count / total (Clopper and Pearson, 1934)."""
    return 1.0 if count == total else float(stats.beta.ppf(level, count + 1, total - count))


def lower_confidence(count: int, total: int, level: float = 0.95) -> float:
    """Return the one-sided lower confidence bound of the proportion count / total (Clopper and Pearson, 1934)."""
    return 1.0 - upper_confidence(total - count, total, level)


def count_naive_alarms(machine: SyntheticMachine, runs: int, seed: int = 1) -> int:
    """
    Count the runs with false alarms of a naive comparison, which measures first one side and then the other, and
    treats rounds as independent.

    Args:
        machine: Source of the rounds; baseline and candidate run the same code.
        runs: Number of runs of CASES cases.
        seed: Seed of the random generator.

    Returns:
        Runs in which Welch's t-test at alpha (Bonferroni's adjustment) called a case slower by at least TOLERANCE.
    """
    rng, alarms = np.random.default_rng(seed), 0
    for _ in range(runs):
        rounds = machine.draw_rounds(rng, CASES * Plan().first_blocks).reshape(CASES, -1, 3, ROUNDS_PER_SIDE)
        # Take baseline and candidate from different blocks, as if they had been measured one after the other.
        candidate = rounds[:, 1::2, CANDIDATE].reshape(CASES, -1)
        baseline = rounds[:, 0:-1:2, BASELINE].reshape(CASES, -1)
        p = stats.ttest_ind(candidate, baseline, axis=1, equal_var=False, alternative="greater").pvalue
        slower = candidate.mean(axis=1) - baseline.mean(axis=1) >= np.log1p(TOLERANCE)
        alarms += bool(np.any(slower & (p * CASES <= Plan().alpha)))
    return alarms
