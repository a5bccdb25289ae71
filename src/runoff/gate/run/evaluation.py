"""Evaluate the measured blocks: find the cases that need the second stage, and determine every case's verdict."""

import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from runoff.gate.run.case_block import CaseBlock, Failure
from runoff.gate.run.result import CaseVerdict
from runoff.gate.run.workers import BASELINE, CANDIDATE, NULL
from runoff.gate.statistics import decision
from runoff.gate.statistics.decision import Finding, Verdict
from runoff.gate.statistics.plan import Plan
from runoff.gate.statistics.signed_rank import Float64Array, hodges_lehmann

_OUT_OF_TIME = "the time budget ended before this case had enough blocks; allow more time with --gate-budget"


@dataclass
class CaseState:
    """
    The measurements of one case so far.

    Attributes:
        first: The case's blocks of the first stage.
        second: The case's blocks of the second stage.
        failures: Reasons why the case cannot be compared; empty if it can.
    """

    first: list[CaseBlock] = field(default_factory=list)
    second: list[CaseBlock] = field(default_factory=list)
    failures: tuple[Failure, ...] = ()

    @property
    def cost_s(self) -> float:
        """Median wall time of the case in the blocks of the first stage, in seconds."""
        return statistics.median([block.cost_s for block in self.first]) if self.first else 0.0

    def completed_first_stage(self, plan: Plan) -> bool:
        """Return whether the case was measured in every block of the first stage."""
        return not self.failures and len(self.first) >= plan.first_blocks


def cases_for_second_stage(cases: Mapping[str, CaseState], tolerances: Mapping[str, float], plan: Plan) -> list[str]:
    """Return the cases that need the second stage, starting with the largest slowdown. Tolerances are relative."""
    measured = [name for name, case in cases.items() if case.completed_first_stage(plan)]
    if not measured:
        return []
    ratios, nulls = np.swapaxes([_log_ratios(cases[name].first) for name in measured], 0, 1)
    tolerance = np.array([tolerances[name] for name in measured])
    needed = decision.needs_second_stage(ratios, nulls, tolerance)
    estimate = dict(zip(measured, hodges_lehmann(ratios).tolist(), strict=True))
    chosen = (name for name, needs in zip(measured, needed, strict=True) if needs)
    return sorted(chosen, key=lambda name: -estimate[name])


def judge_cases(
    cases: Mapping[str, CaseState],
    tolerances: Mapping[str, float],
    plan: Plan,
    suspected: Collection[str],
    repeated: Sequence[str],
) -> list[CaseVerdict]:
    """
    Return the verdict of every case that both sides have, except the cases that both sides skipped.

    `suspected` contains the cases that needed the second stage, `repeated` those for which the budget allowed it. All
    `repeated` cases count in the correction for multiple tests, even those that then failed. Tolerances are relative.
    """
    needed_blocks = plan.fewest_blocks(len(repeated))
    decided = [n for n in repeated if not cases[n].failures and len(cases[n].second) >= needed_blocks]
    columns = [_log_ratios(cases[name].second) for name in decided]
    findings = decision.decide(
        [ratios for ratios, _ in columns],
        [nulls for _, nulls in columns],
        [tolerances[name] for name in decided],
        # `decide` corrects only for the cases passed to it. The smaller alpha also accounts for dropped cases.
        plan.alpha * (len(decided) / len(repeated) if repeated else 1.0),
    )
    by_name = dict(zip(decided, findings, strict=True))
    verdicts = (
        _verdict(name, case, tolerances[name], plan, by_name.get(name), name in suspected)
        for name, case in cases.items()
    )
    return [verdict for verdict in verdicts if verdict is not None]


def _verdict(
    name: str, case: CaseState, tolerance: float, plan: Plan, finding: Finding | None, suspected: bool
) -> CaseVerdict | None:
    if case.failures:
        return _verdict_of_failures(name, tolerance, case.failures)
    blocks = case.second
    if finding is None and case.completed_first_stage(plan) and not suspected:
        blocks = case.first
        finding = decision.finding_of(Verdict.OK, *_log_ratios(blocks))
    if finding is None:
        return CaseVerdict(name, Verdict.INCONCLUSIVE, tolerance, _OUT_OF_TIME)
    baseline_s = statistics.median(block.baseline_call_s for block in blocks)
    # Compute the candidate's time from the baseline's time and the estimate. The machine's speed changes between
    # blocks, so the candidate's own median could come from a faster or slower block and contradict the estimate.
    candidate_s = baseline_s * (1.0 + finding.change)
    second_stage = blocks is case.second
    return CaseVerdict(name, finding.verdict, tolerance, "", finding, candidate_s, baseline_s, second_stage)


def _log_ratios(blocks: Sequence[CaseBlock]) -> tuple[Float64Array, Float64Array]:
    """Return two arrays of shape (blocks,): log(candidate / baseline) and log(null / baseline) of each block."""
    return np.array([block.log_ratio for block in blocks]), np.array([block.null_log_ratio for block in blocks])


def is_candidates(failure: Failure) -> bool:
    """Return whether the candidate's test failed or lost its worker, so pytest must report the test as failed."""
    return failure.side == CANDIDATE and failure.kind in ("failed", "lost")


def skipped_everywhere(failures: Sequence[Failure]) -> bool:
    """Return whether all three workers skipped the case or never called its benchmark."""
    sides = {failure.side for failure in failures if failure.kind in ("skipped", "unused")}
    return len(sides) == len(failures) == 3


def _verdict_of_failures(name: str, tolerance: float, failures: Sequence[Failure]) -> CaseVerdict | None:
    """Return the verdict of a case that could not be compared. Return None if both sides skipped it."""
    if skipped_everywhere(failures):
        return None
    sides = {failure.side for failure in failures}
    reason = "; ".join(dict.fromkeys(failure.reason for failure in failures))
    if all(failure.kind == "skipped" for failure in failures):
        if sides == {CANDIDATE}:
            return CaseVerdict(name, Verdict.MISSING, tolerance, reason)
        if sides == {BASELINE, NULL}:
            return CaseVerdict(name, Verdict.NEW, tolerance, reason)
    return CaseVerdict(name, Verdict.INVALID, tolerance, reason)
