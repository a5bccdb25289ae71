"""What was measured of the cases -> which need a second look, and the verdict of each."""

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from runoff.gate.run.block_runner import CaseBlock, Failure
from runoff.gate.run.result import CaseVerdict
from runoff.gate.run.workers import BASELINE, CANDIDATE, NULL
from runoff.gate.statistics import decision
from runoff.gate.statistics.decision import Finding, Verdict
from runoff.gate.statistics.plan import Plan
from runoff.gate.statistics.signed_rank import Float64Array, hodges_lehmann

_OUT_OF_TIME = "the budget ended before it could be decided; allow more with --gate-budget"
_COLUMNS = ("log_ratio", "null_log_ratio")


@dataclass
class CaseState:
    """
    What has been measured of a case so far.

    Attributes:
        first: Its blocks of the first look.
        second: Those of the second.
        failures: Why it cannot be compared; empty while it can.
    """

    first: list[CaseBlock] = field(default_factory=list)
    second: list[CaseBlock] = field(default_factory=list)
    failures: tuple[Failure, ...] = ()

    @property
    def cost_s(self) -> float:
        """What it typically takes in a block."""
        return statistics.median([block.cost_s for block in self.first]) if self.first else 0.0

    def is_whole(self, plan: Plan) -> bool:
        """Return whether the first look saw all of it."""
        return not self.failures and len(self.first) >= plan.first_blocks


def suspects(cases: Mapping[str, CaseState], tolerances: Mapping[str, float], plan: Plan) -> list[str]:
    """Return the cases that need a second look, the most suspicious first; tolerances are relative."""
    whole = [name for name, case in cases.items() if case.is_whole(plan)]
    if not whole:
        return []
    blocks, null = (np.array([_column(cases[name].first, key) for name in whole]) for key in _COLUMNS)
    tolerance = np.array([tolerances[name] for name in whole])
    mask = decision.needs_second_stage(blocks, null, tolerance)
    estimate = dict(zip(whole, hodges_lehmann(blocks).tolist(), strict=True))
    return sorted((name for name, on in zip(whole, mask, strict=True) if on), key=lambda name: -estimate[name])


def judge(
    cases: Mapping[str, CaseState],
    tolerances: Mapping[str, float],
    plan: Plan,
    suspected: Collection[str],
    looked_at: Sequence[str],
) -> list[CaseVerdict]:
    """
    Judge every case that is on both sides.

    Args:
        cases: What was measured of each.
        tolerances: Case to tolerance, relative.
        plan: What the gate set out to do.
        suspected: Those that needed a second look.
        looked_at: Those of them that had it; each counts in the adjustment, whatever became of it.

    Returns:
        A verdict per case, less those that were skipped on both sides.
    """
    needed = math.ceil(math.log2(max(1, len(looked_at)) / plan.alpha))
    decided = [n for n in looked_at if not cases[n].failures and len(cases[n].second) >= needed]
    findings = decision.decide(
        [_column(cases[name].second, "log_ratio") for name in decided],
        [_column(cases[name].second, "null_log_ratio") for name in decided],
        [tolerances[name] for name in decided],
        # Cases that fell out count as asked all the same.
        plan.alpha * (len(decided) / len(looked_at) if looked_at else 1.0),
    )
    by_name = dict(zip(decided, findings, strict=True))
    return [
        verdict
        for name, case in cases.items()
        if (verdict := _verdict(name, case, tolerances[name], plan, by_name.get(name), name in suspected)) is not None
    ]


def _verdict(
    name: str, case: CaseState, tolerance: float, plan: Plan, finding: Finding | None, suspected: bool
) -> CaseVerdict | None:
    if case.failures:
        return _verdict_of_failures(name, tolerance, case.failures)
    if finding is not None:
        return CaseVerdict(
            name, finding.verdict, tolerance, "", finding, *_times(case.second, finding), second_stage=True
        )
    if case.is_whole(plan) and not suspected:
        finding = decision.accept(_column(case.first, "log_ratio"), _column(case.first, "null_log_ratio"))
        return CaseVerdict(name, Verdict.OK, tolerance, "", finding, *_times(case.first, finding))
    return CaseVerdict(name, Verdict.INCONCLUSIVE, tolerance, _OUT_OF_TIME)


def _column(blocks: Sequence[CaseBlock], key: str) -> Float64Array:
    return np.array([getattr(block, key) for block in blocks])


def _times(blocks: Sequence[CaseBlock], finding: Finding) -> tuple[float, float]:
    """
    Return the seconds of a call: candidate, baseline.

    The candidate's is the baseline's, changed by the estimate: the machine's speed wanders between blocks, and the
    medians of the two sides might come from different ones.
    """
    baseline_s = statistics.median(block.baseline_call_s for block in blocks)
    return baseline_s * (1.0 + finding.change), baseline_s


def is_candidates(failure: Failure) -> bool:
    """Return whether the candidate's test is broken: then it is a failed test, not a slow one."""
    return failure.side == CANDIDATE and failure.kind in ("failed", "lost")


def skipped_everywhere(failures: Sequence[Failure]) -> bool:
    """Return whether no side ran the case."""
    sides = {failure.side for failure in failures if failure.kind in ("skipped", "unused")}
    return len(sides) == len(failures) == 3


def _verdict_of_failures(name: str, tolerance: float, failures: Sequence[Failure]) -> CaseVerdict | None:
    """Return the verdict of a case that could not be compared; None if it is skipped on both sides."""
    if skipped_everywhere(failures):
        return None
    sides = {failure.side: failure for failure in failures}
    reason = "; ".join(dict.fromkeys(failure.reason for failure in failures))
    if all(failure.kind == "skipped" for failure in failures):
        if set(sides) == {CANDIDATE}:
            return CaseVerdict(name, Verdict.MISSING, tolerance, reason)
        if set(sides) == {BASELINE, NULL}:
            return CaseVerdict(name, Verdict.NEW, tolerance, reason)
    return CaseVerdict(name, Verdict.INVALID, tolerance, reason)
