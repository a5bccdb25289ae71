"""The result of a gate run: verdicts, notes, and the exit code that follows from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from runoff.gate.run.case_block import PublishedRounds
from runoff.gate.statistics.decision import Finding, Verdict
from runoff.units import format_items

EXIT_OK, EXIT_REGRESSION, EXIT_INVALID, EXIT_INCONCLUSIVE = 0, 10, 11, 12
# The order of verdicts in a report. Those that require action from the user come first.
_URGENCY = (
    Verdict.REGRESSION,
    Verdict.INVALID,
    Verdict.INCONCLUSIVE,
    Verdict.MISSING,
    Verdict.NEW,
    Verdict.IMPROVEMENT,
    Verdict.OK,
)


@dataclass(frozen=True)
class CaseVerdict:
    """
    The verdict of one case, with the numbers behind it.

    Attributes:
        case: Test id.
        verdict: The verdict.
        tolerance: Largest accepted slowdown, relative.
        reason: Explanation of a verdict that is not based on measurements; otherwise empty.
        finding: The statistics; None if the case was not compared.
        candidate_s: Seconds per call of the candidate: `baseline_s` times the estimated ratio; None if not compared.
        baseline_s: Seconds per call of the baseline, as the median over blocks; None if not compared.
        second_stage: Whether the verdict is based on the blocks of the second stage.
    """

    case: str
    verdict: Verdict
    tolerance: float
    reason: str = ""
    finding: Finding | None = None
    candidate_s: float | None = None
    baseline_s: float | None = None
    second_stage: bool = False


@dataclass(frozen=True)
class GateResult:
    """
    The result of a gate run, with everything that its reports contain.

    Attributes:
        against: The baseline as the user typed it.
        baseline: Label of the baseline for reports; it contains the commit id of a revision.
        alpha: Highest accepted probability of one or more false regressions in the run.
        verdicts: Verdict of every case, the most urgent first.
        failed: Error message of each case whose test failed on the candidate.
        skipped: The reason why a case was skipped on both sides, for each such case.
        published: The candidate's rounds of each case in its last block.
        notes: Warnings for the user.
        seconds: Duration of the run.
        refused: The reason why nothing was compared; empty if anything was compared.
    """

    against: str
    baseline: str
    alpha: float
    verdicts: tuple[CaseVerdict, ...] = ()
    failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    published: dict[str, PublishedRounds] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    refused: str = ""

    def of(self, *kinds: Verdict) -> list[CaseVerdict]:
        """Return the results of all cases that have one of the given verdicts."""
        return [verdict for verdict in self.verdicts if verdict.verdict in kinds]

    @property
    def compared(self) -> bool:
        """Whether any case was compared."""
        return any(verdict.finding for verdict in self.verdicts)

    def exit_code(self, *, strict: bool) -> int:
        """Return the exit code of a run without failed tests. If `strict`, an `inconclusive` verdict fails the run."""
        if self.of(Verdict.REGRESSION):
            return EXIT_REGRESSION
        if self.refused or not self.compared or self.of(Verdict.INVALID):
            return EXIT_INVALID
        return EXIT_INCONCLUSIVE if strict and self.of(Verdict.INCONCLUSIVE) else EXIT_OK

    @property
    def no_baseline_because(self) -> str:
        """The reason why a run with this result must never become a baseline; empty if it may become one."""
        if self.refused or not self.compared:
            return f"the gate against {self.against} compared nothing"
        bad = len(self.of(Verdict.REGRESSION))
        if bad:
            return f"{format_items(bad, 'case')} regressed against {self.against}"
        unmeasured = [verdict for verdict in self.of(Verdict.INCONCLUSIVE) if verdict.finding is None]
        not_judged = len(unmeasured) + len(self.of(Verdict.INVALID))
        return f"the gate against {self.against} could not judge {not_judged} of its cases" if not_judged else ""


def by_urgency(verdicts: Sequence[CaseVerdict]) -> tuple[CaseVerdict, ...]:
    """Sort verdicts by urgency. Among equally urgent verdicts, the largest slowdown comes first."""
    return tuple(
        sorted(verdicts, key=lambda v: (_URGENCY.index(v.verdict), -(v.finding.change if v.finding else 0.0), v.case))
    )
