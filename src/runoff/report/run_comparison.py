"""The comparison of two saved runs: the change of each case with its interval, and reasons to doubt the comparison."""

import math
from collections.abc import Sequence
from pathlib import Path

from runoff.records.schema import SavedRun
from runoff.report.case_change import MACHINE_FIELDS, CaseChange, pair_cases
from runoff.report.earlier_run import INTERVALS_NOTE
from runoff.report.tables import table_lines
from runoff.units import format_duration

Saved = tuple[Path, SavedRun]
_MOST_LISTED = 5


def run_comparison_lines(before: Saved, now: Saved) -> list[str]:
    """
    Compare two saved runs, the baseline `before` and the candidate `now`. Each is a pair of path and content.

    Returns:
        Lines: differences between the runs that make a comparison doubtful; a table of the cases that both measured
        under the same conditions, largest change first; the cases that only one run has.
    """
    old, new = before[1].records, now[1].records
    changes = pair_cases(new, old)
    lines = [f"baseline   {before[0].name}", f"candidate  {now[0].name}", *_doubts(before[1], now[1])]
    if changes:
        headers = ("case", "baseline", "candidate", "change [95 %]", "without the machine's change")
        changes.sort(key=lambda change: -abs(math.log1p(change.change)))
        lines += table_lines(headers, map(_row, changes), "lrrlr")
    # Use dictionaries instead of sets, because dictionaries keep the order of the cases.
    old_ids, new_ids = (dict.fromkeys(record.case for record in records) for records in (old, new))
    paired = {change.now.case for change in changes}
    lines += _listed("only in the baseline", [case for case in old_ids if case not in new_ids])
    lines += _listed("only in the candidate", [case for case in new_ids if case not in old_ids])
    unlike = [case for case in new_ids if case in old_ids and case not in paired]
    lines += _listed("not compared because model, device, versions or settings differ", unlike)
    if not changes:
        lines.append("nothing to compare: the runs have no case in common that measured the same thing")
    return [*lines, INTERVALS_NOTE]


def _row(change: CaseChange) -> tuple[str, ...]:
    return (
        change.now.case,
        format_duration(change.before.latency_s_per_batch),
        format_duration(change.now.latency_s_per_batch),
        f"{change.change:+.1%} [{change.interval.low:+.1%}, {change.interval.high:+.1%}]",
        f"{change.change_without_machine:+.1%}",
    )


def _listed(what: str, cases: Sequence[str]) -> list[str]:
    """Return a line for each of the first five cases, and a line with the number of remaining cases, if any."""
    lines = [f"{what}: {case}" for case in cases[:_MOST_LISTED]]
    return lines + ([f"{what}: {len(cases) - _MOST_LISTED} more"] if len(cases) > _MOST_LISTED else [])


def _doubts(before: SavedRun, now: SavedRun) -> list[str]:
    """Return lines with the reasons why the times of two runs may not be comparable."""
    old, new = before.runoff, now.runoff
    if old is None or new is None:
        return ["one of the runs was not saved by runoff, so its machine is unknown and it may be incomplete"]
    lines = [
        f"{name} is incomplete: {about.incomplete_because}"
        for name, about in (("baseline", old), ("candidate", new))
        if not about.complete
    ]
    facts = [(field, getattr(old, field), getattr(new, field)) for field in MACHINE_FIELDS]
    packages = sorted(old.packages.keys() | new.packages.keys())
    facts += [(name, old.packages.get(name, "none"), new.packages.get(name, "none")) for name in packages]
    return lines + [f"different {name}: {value} against {other}" for name, value, other in facts if value != other]
