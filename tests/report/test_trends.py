"""The latency history of a case reports real changes, ignores noise, and combines only comparable runs."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from runoff.records.run_record import describe_run
from runoff.records.schema import SavedRun
from runoff.report.trends import Point, Series, change_points, collect_series, history_lines
from tests.support.saved_runs import saved_run


def _series(times_s: "np.ndarray[tuple[int], np.dtype[np.float64]]", yardstick_s: float = 1e-3) -> Series:
    return Series("case", [Point(f"{n:04}", float(t), yardstick_s) for n, t in enumerate(times_s)])


def _noise(count: int, seed: int = 0, sigma: float = 0.03) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.exp(np.random.default_rng(seed).normal(size=count) * sigma)


def test_step_is_found_where_it_is() -> None:
    """Users need to know in which run, and therefore with which commit, a case became slower."""
    times_s = 1e-3 * _noise(40)
    times_s[20:] *= 1.2
    (change,) = change_points(_series(times_s))
    assert abs(int(change.run) - 20) <= 1
    assert change.change == pytest.approx(0.2, abs=0.05)


def test_noise_alone_has_no_steps() -> None:
    """If noise were often reported as a change, nobody would believe a report of a real change."""
    found = [bool(change_points(_series(1e-3 * _noise(40, seed)))) for seed in range(100)]
    assert sum(found) <= 5


def test_slower_machine_is_no_step() -> None:
    """If the yardstick slows down as much as the case, the machine became slower, and the code is not to blame."""
    points = [Point(f"{n:04}", 1e-3 * (1 + (n >= 20)), 1e-3 * (1 + (n >= 20))) for n in range(40)]
    assert change_points(Series("case", points)) == []


def test_few_runs_have_no_steps() -> None:
    """A change is detected only between two levels of at least five runs each, so nine runs are too few."""
    times_s = np.array([1.0] * 5 + [2.0] * 4)
    assert change_points(_series(times_s)) == []


def _run(number: int, **about: object) -> tuple[Path, SavedRun]:
    return Path(f"{number:04}_run.json"), saved_run(**about)


def test_incomplete_run_is_ignored() -> None:
    """The last case of an interrupted run may have been disturbed, so the history leaves the run out."""
    runs = [_run(1), _run(2, runoff=msgspec.to_builtins(describe_run("interrupted")))]
    assert [1] == [len(series.points) for series in collect_series(runs)]


def test_another_machine_is_another_series() -> None:
    """Users copy saved runs between machines, but times of different machines are not comparable."""
    other = msgspec.to_builtins(describe_run("")) | {"processor": "another"}
    assert len(collect_series([_run(1), _run(2, runoff=other)])) == 2


def test_largest_last_step_comes_first() -> None:
    """Readers start at the top, so the case that changed most comes first."""
    steady, moved = _series(1e-3 * _noise(40)), _series(np.repeat([1e-3, 2e-3], 20))
    lines = history_lines([steady, Series("moved", moved.points)], {0: [], 1: change_points(moved)})
    assert lines[2].startswith("moved")
    assert "+100% since 0020" in lines[2]
