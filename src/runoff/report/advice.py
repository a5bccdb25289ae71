"""A run beside the one before it: advice, no verdict."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tabulate import tabulate

from runoff.records.schema import CaseRecord, RunRecord, SavedRun
from runoff.report.measured import other_model_suffix
from runoff.units import format_duration

# Two runs of the same code differ by up to 20 % on a shared machine; less is not worth a line.
_WORTH_A_LINE = 0.10
_MOST_ROWS = 12
# Some seconds of reading at most; whoever ran other things a hundred times since needs no comparison.
_MOST_RUNS_READ = 100
_TELLING_FACTS = ("framework", "framework_version", "threads", "spinning")


@dataclass(frozen=True)
class Movement:
    """
    One case in two runs.

    Attributes:
        before: Its record in the earlier run.
        now: Its record in this run.
        yardstick_ratio: How much longer the yardstick took in this run.
    """

    before: CaseRecord
    now: CaseRecord
    yardstick_ratio: float

    @property
    def change(self) -> float:
        """Relative change of the time per call: 0.1 for a tenth slower."""
        return self.now.latency_s_per_batch / self.before.latency_s_per_batch - 1.0

    @property
    def change_beside_yardstick(self) -> float:
        """The same with the machine's own change of speed taken out."""
        return (1.0 + self.change) / self.yardstick_ratio - 1.0


@dataclass(frozen=True)
class EarlierRun:
    """
    A saved run that this one can be held against.

    Attributes:
        name: What to call it.
        moved: The cases that both measured.
    """

    name: str
    moved: list[Movement]


def closest_earlier_run(
    now: RunRecord, records: Sequence[CaseRecord], runs: Iterable[tuple[Path, SavedRun]]
) -> EarlierRun | None:
    """
    Choose the earlier run to compare with.

    Args:
        now: What this run is.
        records: Its cases.
        runs: Saved runs, newest first; read as far as needed.

    Returns:
        The newest comparable run that measured half of these cases or more, else the newest that measured any.
    """
    newest = None
    for path, run in islice(runs, _MOST_RUNS_READ):
        if not comparable_runs(now, run.runoff):
            continue
        moved = movements(records, run.records)
        found = EarlierRun(f"{path.stem[:12]}… of {run.datetime[:16]}", moved)
        if len(moved) * 2 >= len(records):
            return found
        newest = newest or (found if moved else None)
    return newest


def comparable_runs(now: RunRecord, before: RunRecord | None) -> bool:
    """Return whether the cases of two runs may be compared at all: same machine, same Python, and both complete."""
    same = ("processor", "cores", "system", "python")
    return before is not None and before.complete and all(getattr(now, key) == getattr(before, key) for key in same)


def movements(now: Iterable[CaseRecord], before: Iterable[CaseRecord]) -> list[Movement]:
    """
    Pair the cases of two runs that measured the same thing.

    Args:
        now: Records of this run.
        before: Records of the earlier one.

    Returns:
        A pair per case with the same model, device, sizes and settings; a case without its like is left out.
    """
    earlier = {record.case: record for record in before}
    pairs = [(earlier[record.case], record) for record in now if record.case in earlier]
    return [
        Movement(old, new, _yardstick_s(new) / _yardstick_s(old))
        for old, new in pairs
        if likeness(old) == likeness(new)
    ]


def advice_lines(moved: Sequence[Movement], asked: int, name: str) -> list[str]:
    """
    Say what moved since the run before.

    Args:
        moved: The pairs.
        asked: Cases of this run.
        name: What to call the earlier run.

    Returns:
        Lines; the worst first.
    """
    lines = [f"beside the run before, {name}: advice, not a verdict (runs of the same code differ by up to 20 % here)"]
    if len(moved) < asked:
        lines.append(f"{asked - len(moved)} of {asked} cases have no like in it")
    worth = [movement for movement in moved if abs(_log_change(movement)) > math.log1p(_WORTH_A_LINE)]
    worth.sort(key=lambda movement: abs(_log_change(movement)), reverse=True)
    if worth:
        rows = [
            (
                movement.now.case + other_model_suffix(movement.now),
                format_duration(movement.before.latency_s_per_batch),
                format_duration(movement.now.latency_s_per_batch),
                f"{movement.change:+.0%}",
                f"{movement.change_beside_yardstick:+.0%}",
            )
            for movement in worth[:_MOST_ROWS]
        ]
        headers = ("case", "before", "now", "change", "beside the yardstick")
        alignment = ("left", "right", "right", "right", "right")
        lines += tabulate(rows, headers, disable_numparse=True, colalign=alignment).splitlines()
    if len(worth) > _MOST_ROWS:
        lines.append(f"and {len(worth) - _MOST_ROWS} more that moved by over {_WORTH_A_LINE:.0%}")
    lines.append(f"{len(moved) - len(worth)} of {len(moved)} cases moved by less than {_WORTH_A_LINE:.0%}")
    return lines


def _log_change(movement: Movement) -> float:
    return math.log1p(movement.change)


def _yardstick_s(record: CaseRecord) -> float:
    """Return the yardstick's time around a case, never 0."""
    return max((record.yardstick_before_s + record.yardstick_after_s) / 2, 1e-9)


def likeness(record: CaseRecord) -> tuple[object, ...]:
    """Return what has to be the same for two records of one case to be compared."""
    facts = tuple(map(record.facts.get, _TELLING_FACTS))
    return record.model_digest, record.device_type, record.device_name, record.answers, facts
