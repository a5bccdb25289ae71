"""Two saved runs side by side: what differs, how sure that is, and whether they may be compared at all."""

import math
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from runoff.records.schema import RunRecord, SavedRun
from runoff.report.advice import Movement, movements
from runoff.units import format_duration

Saved = tuple[Path, SavedRun]
_MOST_LISTED = 5


def run_comparison_lines(before: Saved, now: Saved) -> list[str]:
    """
    Compare two saved runs.

    Args:
        before: The baseline.
        now: The candidate.

    Returns:
        What keeps the runs from being compared, if anything does; a table of the cases that both measured alike, the
        largest change first; what each lacks.
    """
    old, new = before[1].records, now[1].records
    moved = movements(new, old)
    lines = [f"baseline   {before[0].name}", f"candidate  {now[0].name}", *_doubts(before, now)]
    if moved:
        lines += _table(moved)
    alike = {movement.now.case for movement in moved}
    for name, records, others in (("baseline", old, new), ("candidate", new, old)):
        ids = {record.case for record in others}
        alone = [record.case for record in records if record.case not in ids]
        unlike = [r.case for r in records if r.case in ids and r.case not in alike] if name == "candidate" else []
        lines += _listed(f"only in the {name}", alone)
        lines += _listed("not compared, for the model, device, versions or settings changed", unlike)
    if not moved:
        lines.append("nothing to compare: the runs have no case in common that measured the same thing")
    lines.append(
        "intervals cover the rounds of each run, not what differs between processes (up to 20 % on a shared machine);"
        " for a verdict measure side by side: pytest --gate-against REV"
    )
    return lines


def _listed(what: str, cases: Sequence[str]) -> list[str]:
    """Return a line per case, and one that counts the rest where there are many."""
    lines = [f"{what}: {case}" for case in cases[:_MOST_LISTED]]
    return lines + ([f"{what}: {len(cases) - _MOST_LISTED} more"] if len(cases) > _MOST_LISTED else [])


def _doubts(before: Saved, now: Saved) -> list[str]:
    """Return why two runs should not be compared."""
    old, new = before[1].runoff, now[1].runoff
    if old is None or new is None:
        return ["one of them was not saved by runoff: its machine and completeness are not known"]
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


def _table(moved: Sequence[Movement]) -> list[str]:
    rows = [
        (
            movement.now.case,
            format_duration(movement.before.latency_s_per_batch),
            format_duration(movement.now.latency_s_per_batch),
            _format_change(movement),
            f"{movement.change_beside_yardstick:+.1%}",
        )
        for movement in sorted(moved, key=lambda movement: -abs(math.log1p(movement.change)))
    ]
    headers = ("case", "baseline", "candidate", "change [95 %]", "beside the yardstick")
    alignment = ("left", "right", "right", "left", "right")
    return tabulate(rows, headers, disable_numparse=True, colalign=alignment).splitlines()


def _format_change(movement: Movement) -> str:
    """Return the relative change with an interval from those of both runs, which add as independent logarithms do."""
    low, high = (_spread(movement, side) for side in ("low", "high"))
    ratio = 1.0 + movement.change
    return f"{movement.change:+.1%} [{ratio * math.exp(-low) - 1:+.1%}, {ratio * math.exp(high) - 1:+.1%}]"


def _spread(movement: Movement, side: str) -> float:
    """Return how far the logarithm of the ratio may lie below or above its estimate."""
    # The ratio is low where the candidate is low and the baseline is high.
    other = "high" if side == "low" else "low"
    parts = [(movement.now, side), (movement.before, other)]
    logs = [math.log(getattr(r, f"latency_{end}_s_per_batch") / r.latency_s_per_batch) for r, end in parts]
    return math.hypot(*logs)
