"""The history of cases over saved runs: in which run a case became faster or slower, and by how much."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from runoff.models.mlp import Float64Array
from runoff.records.schema import SavedRun
from runoff.report.case_change import MACHINE_FIELDS, comparison_key, yardstick_s
from runoff.report.tables import table_lines
from runoff.units import format_duration

# A level is a series of successive runs with about the same latency. Fewer runs could be just outliers.
FEWEST_RUNS_OF_A_LEVEL = 5
# Report only changes of at least this size, relative to the median latency of the previous level.
_SMALLEST_CHANGE = 0.03


@dataclass(frozen=True)
class Point:
    """One case in one run: the run's number and date, the median time per call, and the mean yardstick duration."""

    run: str
    latency_s: float
    yardstick_s: float


@dataclass(frozen=True)
class Series:
    """The history of one case: its id, and a point for each comparable run that measured it, oldest first."""

    case: str
    points: list[Point]

    def normalised_s(self) -> Float64Array:
        """Return the times per call in seconds, shape (runs,), corrected for changes of the machine's speed."""
        yardstick_s = np.array([point.yardstick_s for point in self.points])
        latency_s = np.array([point.latency_s for point in self.points])
        return np.asarray(latency_s * np.median(yardstick_s) / yardstick_s, dtype=np.float64)


@dataclass(frozen=True)
class Change:
    """A change of a case's latency: the first run with the new latency, and the relative change (0.1: 10 % slower)."""

    run: str
    change: float


def collect_series(runs: Iterable[tuple[Path, SavedRun]]) -> list[Series]:
    """
    Group the cases of many runs into series of comparable measurements.

    Args:
        runs: Saved runs with their paths, oldest first. Incomplete runs and runs of other suites are ignored.

    Returns:
        A series for each combination of case, model digest, device, settings, versions and machine, in the order in
        which they first appear.
    """
    series: dict[tuple[object, ...], Series] = {}
    for path, run in runs:
        if run.runoff is None or not run.runoff.complete:
            continue
        name = f"{path.name.partition('_')[0]} of {run.datetime[:10]}"
        machine = tuple(getattr(run.runoff, field) for field in MACHINE_FIELDS)
        for record in run.records:
            key = (record.case, *comparison_key(record), *machine)
            point = Point(name, record.latency_s_per_batch, yardstick_s(record))
            series.setdefault(key, Series(record.case, [])).points.append(point)
    return list(series.values())


def change_points(series: Series) -> list[Change]:
    """
    Find the runs at which the latency of a case changed.

    The search is PELT (Killick et al., 2012) on the logarithms of the normalised times with the penalty 3 σ² log n,
    similar to the Bayesian information criterion. σ is estimated from differences between neighbouring runs, which a
    change of level hardly affects.

    Returns:
        Changes of 3 % or more, oldest first. The list is empty if there are too few runs for two levels.
    """
    values = np.log(series.normalised_s())
    if len(values) < 2 * FEWEST_RUNS_OF_A_LEVEL:
        return []
    import ruptures

    noise = max(_neighbour_noise(values), 1e-3)
    # The linear kernel uses the squared error. KernelCPD is written in C and is faster than ruptures.Pelt in Python.
    search = ruptures.KernelCPD(kernel="linear", min_size=FEWEST_RUNS_OF_A_LEVEL).fit(values.reshape(-1, 1))
    ends = [0, *search.predict(pen=3 * noise**2 * math.log(len(values)))]
    levels = [float(np.median(values[start:end])) for start, end in pairwise(ends)]
    changes = [
        Change(series.points[start].run, math.expm1(new - old))
        for start, (old, new) in zip(ends[1:], pairwise(levels), strict=False)
    ]
    return [change for change in changes if abs(change.change) >= _SMALLEST_CHANGE]


def _neighbour_noise(values: Float64Array) -> float:
    """Estimate the standard deviation of single runs robustly, from the differences between neighbouring runs."""
    differences = np.diff(values)
    # 1.4826 converts the median absolute deviation to the σ of a normal distribution. Divide by √2, because each
    # difference contains the noise of two runs.
    return float(1.4826 * np.median(np.abs(differences - np.median(differences))) / math.sqrt(2))


def history_lines(all_series: Sequence[Series], changes: dict[int, list[Change]]) -> list[str]:
    """Return a table of series, largest latest change first. `changes` maps the index of a series to its changes."""
    # Compare logarithms, so that a step to half the time counts as much as a step to twice the time.
    last = {index: abs(math.log1p(found[-1].change)) if found else 0.0 for index, found in changes.items()}
    order = sorted(last, key=lambda index: -last[index])
    rows = [_row(all_series[index], changes[index]) for index in order]
    return [
        *table_lines(("case", "runs", "first", "last", "overall", "steps"), rows, "lrrrrl"),
        "Times are medians per call, normalised by the yardstick. No verdict: a step may come from the machine.",
    ]


def _row(series: Series, changes: Sequence[Change]) -> tuple[str, ...]:
    times_s = series.normalised_s()
    ends = max(1, min(FEWEST_RUNS_OF_A_LEVEL, len(times_s) // 2))
    first_s, last_s = float(np.median(times_s[:ends])), float(np.median(times_s[-ends:]))
    steps = ", ".join(f"{change.change:+.0%} since {change.run}" for change in changes[-3:])
    overall = f"{last_s / first_s - 1:+.0%}" if len(times_s) > 1 else ""
    return series.case, str(len(times_s)), format_duration(first_s), format_duration(last_s), overall, steps
