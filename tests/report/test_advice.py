"""The comparison with the run before is advice: it must compare only like with like, and never shout."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from runoff.records.run import describe_run
from runoff.records.schema import CaseRecord, ExtraInfo, SavedBenchmark, SavedRun, Stats
from runoff.report.advice import advice_lines, closest_earlier_run, comparable_runs, movements
from tests.support.records import case_record


def test_case_that_moved_is_listed_with_its_change() -> None:
    """The reader sees which, from what, to what."""
    moved = movements([case_record(latency_s=2e-3)], [case_record()])
    text = "\n".join(advice_lines(moved, 1, "0001"))
    assert "onnxruntime-cpu-net-b1   1.00 ms  2.00 ms     +100%" in text
    assert "advice, not a verdict" in text


def test_yardstick_takes_the_machines_own_change_out() -> None:
    """Twice as slow on a machine twice as slow is no change."""
    slow = case_record(latency_s=2e-3, yardstick_before_s=2e-3, yardstick_after_s=2e-3)
    assert movements([slow], [case_record()])[0].change_beside_yardstick == pytest.approx(0.0)


def test_small_movements_are_counted_not_listed() -> None:
    """Runs of the same code differ that much."""
    lines = advice_lines(movements([case_record(latency_s=1.05e-3)], [case_record()]), 1, "0001")
    assert lines[-1] == "1 of 1 cases moved by less than 10%"


@pytest.mark.parametrize(
    "change",
    [
        {"model_digest": "e" * 64},
        {"device_type": "gpu"},
        {"device_name": "another"},
        {"facts": {"framework": "x", "framework_version": "2", "threads": 1, "spinning": False}},
        {"facts": {"framework": "x", "framework_version": "1", "threads": 2, "spinning": False}},
    ],
    ids=["model", "device", "device-name", "version", "threads"],
)
def test_unlike_cases_are_not_compared(change: dict[str, Any]) -> None:
    """A retrained model, another device, another version or thread count is another measurement."""
    assert movements([case_record()], [case_record(**change)]) == []


def test_incomplete_run_is_never_a_baseline() -> None:
    """Ctrl-C half-way must not become what the next run is held against."""
    assert not comparable_runs(describe_run(""), describe_run("interrupted"))


def test_run_of_another_machine_is_not_comparable() -> None:
    """Results folders travel."""
    assert not comparable_runs(describe_run(""), replace(describe_run(""), processor="another"))


def test_run_without_runoffs_record_is_not_comparable() -> None:
    """pytest-benchmark's own files lie in the same folder."""
    assert not comparable_runs(describe_run(""), None)


def _saved_run(number: int, *records: CaseRecord) -> tuple[Path, SavedRun]:
    stats = Stats(min=1, max=1, mean=1, stddev=0, median=1, iqr=0, ops=1, rounds=1)
    benchmarks = [
        SavedBenchmark(fullname=r.case, name=r.case, stats=stats, extra_info=ExtraInfo(runoff=r)) for r in records
    ]
    run = SavedRun(
        machine_info={},
        commit_info={},
        benchmarks=benchmarks,
        datetime="2026-01-01T00:00",
        version="5",
        runoff=describe_run(""),
    )
    return Path(f"{number:04}_run.json"), run


def test_newest_run_that_measured_the_same_cases_is_chosen() -> None:
    """A quick look at one case in between must not hide the full run before it."""
    now = [case_record(batch_size=size) for size in (1, 2, 4)]
    runs = [_saved_run(3, now[0]), _saved_run(2, *now), _saved_run(1, *now)]
    found = closest_earlier_run(describe_run(""), now, runs)
    assert found is not None
    assert found.name.startswith("0002_run")


def test_run_with_one_case_is_better_than_none() -> None:
    """A little advice is said with how little it is."""
    now = [case_record(batch_size=size) for size in (1, 2, 4)]
    found = closest_earlier_run(describe_run(""), now, [_saved_run(1, now[0])])
    assert found is not None
    assert len(found.moved) == 1
