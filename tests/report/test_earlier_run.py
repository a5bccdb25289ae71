"""The comparison with an earlier run: which earlier run is chosen, and which cases are listed."""

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from runoff.records.run_record import describe_run
from runoff.records.schema import CaseRecord, ExtraInfo, SavedBenchmark, SavedRun, Stats
from runoff.report.case_change import pair_cases
from runoff.report.earlier_run import EarlierRun, closest_earlier_run, comparable_runs, earlier_run_lines
from tests.support.records import case_record


def _lines(now: list[CaseRecord], before: list[CaseRecord]) -> list[str]:
    return earlier_run_lines(EarlierRun(Path("0001_run.json"), "2026-01-01 00:00", pair_cases(now, before)), len(now))


def test_changed_case_is_listed_with_both_times() -> None:
    """Readers need the name of the case and both times to judge how much the case changed."""
    text = "\n".join(_lines([case_record(latency_s=2e-3)], [case_record()]))
    assert "onnxruntime-cpu-net-b1   1.00 ms  2.00 ms     +100%" in text
    assert "not differences between processes; for a verdict: pytest --gate-against REV" in text


def test_cases_with_overlapping_intervals_are_counted_not_listed() -> None:
    """If the intervals overlap, the difference may be chance, so the case gets no row of its own."""
    wide: dict[str, Any] = {"latency_low_s_per_batch": 0.9e-3, "latency_high_s_per_batch": 1.2e-3}
    lines = _lines([case_record(latency_s=1.05e-3, **wide)], [case_record(**wide)])
    assert ["cases that changed by no more than the 95 % intervals of both runs: 1 of 1"] == lines[1:]


def test_at_most_ten_cases_are_listed_and_the_others_counted() -> None:
    """If the machine was slower in one of the runs, every case changed, so the table lists only ten of them."""
    now = [case_record(batch_size=size, latency_s=2e-3) for size in range(1, 16)]
    before = [case_record(batch_size=size) for size in range(1, 15)]
    lines = _lines(now, before)
    assert 10 == len([line for line in lines if line.startswith("onnxruntime-cpu-net")])
    assert lines[-2].startswith("further cases that changed by less: 4; cases that changed by no more than the 95 %")
    assert lines[-2].endswith(": 0 of 15; cases that are not comparable or not in that run: 1")


def test_incomplete_run_is_never_a_baseline() -> None:
    """An interrupted run lacks cases, and some of its times may be disturbed, so later reports ignore it."""
    assert not comparable_runs(describe_run(""), describe_run("interrupted"))


def test_run_of_another_machine_is_not_comparable() -> None:
    """Users copy saved runs between machines, but times of different machines are not comparable."""
    assert not comparable_runs(describe_run(""), replace(describe_run(""), processor="another"))


def test_run_without_runoffs_record_is_not_comparable() -> None:
    """Files that pytest-benchmark saved without runoff lack the machine's description, so later reports ignore them."""
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
    """A newer run of a single case must not hide an older run that measured all cases."""
    now = [case_record(batch_size=size) for size in (1, 2, 4)]
    runs = [_saved_run(3, now[0]), _saved_run(2, *now), _saved_run(1, *now)]
    found = closest_earlier_run(describe_run(""), now, runs)
    assert found is not None
    assert ("0002_run.json", "2026-01-01 00:00") == (found.path.name, found.date)


def test_run_with_one_common_case_is_better_than_none() -> None:
    """A comparison of a single case is still useful if no earlier run has more cases in common with this run."""
    now = [case_record(batch_size=size) for size in (1, 2, 4)]
    found = closest_earlier_run(describe_run(""), now, [_saved_run(1, now[0])])
    assert found is not None
    assert len(found.changes) == 1


def test_run_with_the_most_common_cases_is_chosen_if_none_has_half() -> None:
    """If no run measured half of the cases, the run with most cases in common is chosen, then the newest of several."""
    now = [case_record(batch_size=size) for size in range(1, 9)]
    runs = [_saved_run(4, now[0]), _saved_run(3, *now[:3]), _saved_run(2, *now[:3]), _saved_run(1, *now[:2])]
    found = closest_earlier_run(describe_run(""), now, runs)
    assert found is not None
    assert ("0003_run.json", 3) == (found.path.name, len(found.changes))
