"""Saved runs over time: what moved, when, and by how much; advice, for a gate has to measure side by side."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from tabulate import tabulate

from runoff.models.mlp import Float64Array
from runoff.records.schema import RunRecord, SavedRun
from runoff.report.advice import likeness
from runoff.units import format_duration

# A change point needs this many runs on each side: with fewer, one odd process makes one.
FEWEST_RUNS_OF_A_LEVEL = 5
# Runs of the same code lie up to 20 % apart on a shared machine; the median of a level moves far less.
_SMALLEST_CHANGE = 0.03
_Key = tuple[object, ...]


@dataclass(frozen=True)
class Point:
    """
    One case in one run.

    Attributes:
        run: The run's number and date.
        latency_s: Time of one call, in that run.
        yardstick_s: What the yardstick took beside it.
    """

    run: str
    latency_s: float
    yardstick_s: float


@dataclass(frozen=True)
class Series:
    """
    One case over all runs in which it was the same measurement.

    Attributes:
        case: Its id.
        points: Oldest first.
    """

    case: str
    points: list[Point]

    def normalised_s(self) -> Float64Array:
        """Return the times as they would be if the yardstick had always taken its median time, shape (runs,)."""
        yardstick_s = np.array([point.yardstick_s for point in self.points])
        latency_s = np.array([point.latency_s for point in self.points])
        return np.asarray(latency_s * np.median(yardstick_s) / yardstick_s, dtype=np.float64)


@dataclass(frozen=True)
class Change:
    """
    A step in a series.

    Attributes:
        run: The first run of the new level.
        change: Relative change of the level's median: 0.1 for a tenth slower.
    """

    run: str
    change: float


def collect_series(runs: Iterable[tuple[Path, SavedRun]]) -> list[Series]:
    """
    Put the cases of many runs into series of what is comparable.

    Args:
        runs: Oldest first; incomplete ones and those of other suites are passed over.

    Returns:
        A series per case, model digest, device, settings, versions and machine, in the order of first appearance.
    """
    series: dict[_Key, Series] = {}
    for path, run in runs:
        about = run.runoff
        if about is None or not about.complete:
            continue
        name, machine = f"{path.name.partition('_')[0]} of {run.datetime[:10]}", _machine(about)
        for record in run.records:
            key = (record.case, *likeness(record), *machine)
            if key not in series:
                series[key] = Series(record.case, [])
            yardstick_s = (record.yardstick_before_s + record.yardstick_after_s) / 2
            series[key].points.append(Point(name, record.latency_s_per_batch, yardstick_s))
    return list(series.values())


def change_points(series: Series) -> list[Change]:
    """
    Find the steps of a series.

    The search is PELT (Killick et al., 2012) on the logarithms of the normalised times, with a penalty of the
    Bayesian kind, 3 σ² log n, where σ comes from the differences between neighbours, which a step hardly moves.

    Args:
        series: The case.

    Returns:
        Steps of 3 % and more, oldest first; none where there are too few runs for two levels.
    """
    values = np.log(series.normalised_s())
    if len(values) < 2 * FEWEST_RUNS_OF_A_LEVEL:
        return []
    import ruptures

    noise = max(_neighbour_noise(values), 1e-3)
    # The linear kernel is the plain squared error; this one is written in C, ruptures.Pelt in Python.
    search = ruptures.KernelCPD(kernel="linear", min_size=FEWEST_RUNS_OF_A_LEVEL).fit(values.reshape(-1, 1))
    ends = [0, *search.predict(pen=3 * noise**2 * math.log(len(values)))]
    levels = [float(np.median(values[start:end])) for start, end in pairwise(ends)]
    changes = [
        Change(series.points[ends[index]].run, math.expm1(levels[index] - levels[index - 1]))
        for index in range(1, len(levels))
    ]
    return [change for change in changes if abs(change.change) >= _SMALLEST_CHANGE]


def _neighbour_noise(values: Float64Array) -> float:
    """Return the standard deviation of one run, robustly, from the differences between neighbours."""
    differences = np.diff(values)
    # 1.4826: from the median absolute deviation to σ of a normal; √2: a difference has the noise of two runs.
    return float(1.4826 * np.median(np.abs(differences - np.median(differences))) / math.sqrt(2))


def history_lines(all_series: Sequence[Series], changes: dict[int, list[Change]]) -> list[str]:
    """
    Show series with their steps.

    Args:
        all_series: What was found.
        changes: Index of a series to its steps.

    Returns:
        A table, the largest last step first, and what it means.
    """
    order = sorted(range(len(all_series)), key=lambda index: -_size_of_last(changes[index]))
    rows = [_row(all_series[index], changes[index]) for index in order]
    headers = ("case", "runs", "first", "last", "overall", "steps")
    alignment = ("left", "right", "right", "right", "right", "left")
    return [
        *tabulate(rows, headers, disable_numparse=True, colalign=alignment).splitlines(),
        "times are medians of a call, normalised by the yardstick; advice, not a verdict: a step may be the machine's",
    ]


def _size_of_last(changes: Sequence[Change]) -> float:
    return abs(math.log1p(changes[-1].change)) if changes else 0.0


def _row(series: Series, changes: Sequence[Change]) -> tuple[str, ...]:
    times_s = series.normalised_s()
    ends = max(1, min(FEWEST_RUNS_OF_A_LEVEL, len(times_s) // 2))
    first_s, last_s = float(np.median(times_s[:ends])), float(np.median(times_s[-ends:]))
    steps = ", ".join(f"{change.change:+.0%} since {change.run}" for change in changes[-3:])
    overall = f"{last_s / first_s - 1:+.0%}" if len(times_s) > 1 else ""
    return series.case, str(len(times_s)), format_duration(first_s), format_duration(last_s), overall, steps


def _machine(about: RunRecord) -> tuple[object, ...]:
    return about.processor, about.cores, about.system, about.python
