"""The comparison of two saved runs: the change of each case with its interval, and reasons not to compare them."""

import math
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from runoff.records.schema import RunRecord, SavedRun
from runoff.report.case_change import CaseChange, pair_cases
from runoff.report.earlier_run import INTERVALS_NOTE
from runoff.units import format_duration

Saved = tuple[Path, SavedRun]
_MOST_LISTED = 5


def run_comparison_lines(before: Saved, now: Saved) -> list[str]:
    """
    Compare two saved runs.

    Args:
        before: The baseline: its path and its contents.
        now: The candidate: its path and its contents.

    Returns:
        Lines: differences between the runs that make a comparison doubtful; a table of the cases that both measured
        under the same conditions, largest change first; the cases that only one run has.
    """
    old, new = before[1].records, now[1].records
    changes = pair_cases(new, old)
    lines = [f"baseline   {before[0].name}", f"candidate  {now[0].name}", *_doubts(before, now)]
    if changes:
        lines += _table(changes)
    paired = {change.now.case for change in changes}
    for name, records, others in (("baseline", old, new), ("candidate", new, old)):
        ids = {record.case for record in others}
        alone = [record.case for record in records if record.case not in ids]
        lines += _listed(f"only in the {name}", alone)
    common = {record.case for record in old} & {record.case for record in new}
    unlike = [record.case for record in new if record.case in common - paired]
    lines += _listed("not compared because model, device, versions or settings differ", unlike)
    if not changes:
        lines.append("nothing to compare: the runs have no case in common that measured the same thing")
    return [*lines, INTERVALS_NOTE]


def _listed(what: str, cases: Sequence[str]) -> list[str]:
    """Return a line for each of the first five cases, and a line with the number of the others."""
    lines = [f"{what}: {case}" for case in cases[:_MOST_LISTED]]
    return lines + ([f"{what}: {len(cases) - _MOST_LISTED} more"] if len(cases) > _MOST_LISTED else [])


def _doubts(before: Saved, now: Saved) -> list[str]:
    """Return the reasons why the times of two runs may not be comparable."""
    old, new = before[1].runoff, now[1].runoff
    if old is None or new is None:
        return ["one of the runs was not saved by runoff, so its machine is unknown and it may be incomplete"]
    lines = [
        f"{name} is incomplete: {about.incomplete_because}"
        for name, about in (("baseline", old), ("candidate", new))
        if not about.complete
    ]
    return (
        lines
        + [
            f"another {key}: {getattr(old, key)} against {getattr(new, key)}"
            for key in ("processor", "cores", "system", "python")
            if getattr(old, key) != getattr(new, key)
        ]
        + _package_changes(old, new)
    )


def _package_changes(old: RunRecord, new: RunRecord) -> list[str]:
    names = sorted(old.packages.keys() | new.packages.keys())
    return [
        f"another {name}: {old.packages.get(name, 'none')} against {new.packages.get(name, 'none')}"
        for name in names
        if old.packages.get(name) != new.packages.get(name)
    ]


def _table(changes: Sequence[CaseChange]) -> list[str]:
    rows = [
        (
            change.now.case,
            format_duration(change.before.latency_s_per_batch),
            format_duration(change.now.latency_s_per_batch),
            f"{change.change:+.1%} [{change.interval.low:+.1%}, {change.interval.high:+.1%}]",
            f"{change.change_without_machine:+.1%}",
        )
        for change in sorted(changes, key=lambda change: -abs(math.log1p(change.change)))
    ]
    headers = ("case", "baseline", "candidate", "change [95 %]", "without the machine's change")
    alignment = ("left", "right", "right", "left", "right")
    return tabulate(rows, headers, disable_numparse=True, colalign=alignment).splitlines()
