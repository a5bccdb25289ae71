"""The comparison of a run with an earlier saved run. It informs the reader and never fails the run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from runoff.records.schema import CaseRecord, RunRecord, SavedRun
from runoff.report.case_change import MACHINE_FIELDS, CaseChange, pair_cases
from runoff.report.measured import other_model_suffix
from runoff.report.tables import table_lines
from runoff.units import format_duration

_MOST_ROWS = 10
# Reading 100 saved runs takes a few seconds. Searching even older runs is not worth a longer wait.
_MOST_RUNS_READ = 100
INTERVALS_NOTE = (
    "Intervals cover the rounds of one run, not differences between processes; for a verdict: pytest --gate-against REV"
)


@dataclass(frozen=True)
class EarlierRun:
    """An earlier saved run: its file, its date as text, and how cases changed between it and the current run."""

    path: Path
    date: str
    changes: list[CaseChange]


def closest_earlier_run(
    now: RunRecord, records: Sequence[CaseRecord], runs: Iterable[tuple[Path, SavedRun]]
) -> EarlierRun | None:
    """
    Choose the saved run with which the current run is compared.

    Args:
        now: The current run.
        records: The current run's cases.
        runs: Saved runs with their paths, newest first. Only as many as needed are read.

    Returns:
        The newest comparable run that measured at least half of these cases. If there is none, the comparable run that
        measured most of them (the newest of several), or None if no comparable run measured any of them.
    """
    closest = None
    for path, run in islice(runs, _MOST_RUNS_READ):
        changes = pair_cases(records, run.records) if comparable_runs(now, run.runoff) else []
        if changes:
            found = EarlierRun(path, run.datetime[:16].replace("T", " "), changes)
            if len(changes) * 2 >= len(records):
                return found
            if closest is None or len(changes) > len(closest.changes):
                closest = found
    return closest


def comparable_runs(now: RunRecord, before: RunRecord | None) -> bool:
    """Return whether an earlier run is complete and was measured on the same machine with the same Python version."""
    if before is None or not before.complete:
        return False
    return all(getattr(now, field) == getattr(before, field) for field in MACHINE_FIELDS)


def earlier_run_lines(earlier: EarlierRun, case_count: int) -> list[str]:
    """
    Return a table of at most ten cases that changed since an earlier run, the largest changes first.

    A case is listed if the 95 % intervals of both runs stay apart after division by the yardstick's change. A last
    line counts the other cases of the current run, which has `case_count` cases.
    """
    changed = [change for change in earlier.changes if change.is_beyond_intervals]
    changed.sort(key=lambda change: abs(change.change_without_machine), reverse=True)
    lines = [f"compared with the earlier run {earlier.path.stem[:12]}… of {earlier.date}:"]
    if changed:
        headers = ("case", "before", "now", "change", "without the machine's change")
        lines += table_lines(headers, map(_row, changed[:_MOST_ROWS]), "lrrrr")
    lines.append(_remaining_cases(len(changed), len(earlier.changes), case_count))
    return [*lines, INTERVALS_NOTE] if changed else lines


def _row(change: CaseChange) -> tuple[str, ...]:
    return (
        change.now.case + other_model_suffix(change.now),
        format_duration(change.before.latency_s_per_batch),
        format_duration(change.now.latency_s_per_batch),
        f"{change.change:+.0%}",
        f"{change.change_without_machine:+.0%}",
    )


def _remaining_cases(changed: int, compared: int, case_count: int) -> str:
    """Return a line that states how many cases the table leaves out, and why."""
    parts = [f"further cases that changed by less: {changed - _MOST_ROWS}"] if changed > _MOST_ROWS else []
    parts.append(
        f"cases that changed by no more than the 95 % intervals of both runs: {compared - changed} of {case_count}"
    )
    if compared < case_count:
        parts.append(f"cases that are not comparable or not in that run: {case_count - compared}")
    return "; ".join(parts)
