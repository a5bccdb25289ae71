"""What the gate says in the end, and the exit code that follows."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from runoff.gate.run.block_runner import Published
from runoff.gate.statistics.decision import Finding, Verdict

EXIT_OK, EXIT_REGRESSION, EXIT_INVALID, EXIT_INCONCLUSIVE = 0, 10, 11, 12
# The order of a report: what somebody has to look at first.
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
    What is said of one case.

    Attributes:
        case: Test id.
        verdict: The verdict.
        tolerance: How much slower it may become, relative.
        reason: Why, where the numbers do not say it.
        finding: The numbers; None if it was not compared.
        candidate_s: Seconds of a call: the baseline's, changed by the estimate; None likewise.
        baseline_s: Median over blocks of the baseline's median time of a call.
        second_stage: Whether fresh blocks decided.
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
    Everything a report needs.

    Attributes:
        against: What the user called the baseline.
        baseline: What that was: a commit, a path.
        alpha: Chance of any false regression, at most.
        verdicts: Of every case, the most urgent first.
        failed: Case to what went wrong, of the candidate's tests that failed.
        skipped: Case to reason, of those skipped on both sides.
        published: Case to what its test published last.
        notes: What else the user has to know.
        seconds: What it took.
        refused: Why nothing was compared; empty if something was.
    """

    against: str
    baseline: str
    alpha: float
    verdicts: tuple[CaseVerdict, ...] = ()
    failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    published: dict[str, Published] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    refused: str = ""

    def of(self, *words: Verdict) -> list[CaseVerdict]:
        """Return the verdicts of some kinds."""
        return [verdict for verdict in self.verdicts if verdict.verdict in words]

    @property
    def compared(self) -> bool:
        """Whether any case was compared."""
        return any(verdict.finding for verdict in self.verdicts)

    def exit_code(self, *, strict: bool) -> int:
        """
        Return the process's exit code, for a run in which no test failed.

        Args:
            strict: Whether `inconclusive` is not good enough.
        """
        if self.of(Verdict.REGRESSION):
            return EXIT_REGRESSION
        if self.refused or not self.compared or self.of(Verdict.INVALID):
            return EXIT_INVALID
        return EXIT_INCONCLUSIVE if strict and self.of(Verdict.INCONCLUSIVE) else EXIT_OK

    @property
    def no_baseline_because(self) -> str:
        """Why a run with this result must never become a baseline; empty if it may."""
        if self.refused or not self.compared:
            return f"the gate against {self.against} compared nothing"
        bad = len(self.of(Verdict.REGRESSION))
        if bad:
            return f"{bad} {'case' if bad == 1 else 'cases'} regressed against {self.against}"
        unmeasured = len(self.of(Verdict.INVALID)) + sum(
            verdict.finding is None for verdict in self.of(Verdict.INCONCLUSIVE)
        )
        return f"the gate against {self.against} could not judge {unmeasured} cases" if unmeasured else ""


def by_urgency(verdicts: Sequence[CaseVerdict]) -> tuple[CaseVerdict, ...]:
    """Sort verdicts: the worst word first, within a word the largest change first."""
    return tuple(
        sorted(verdicts, key=lambda v: (_URGENCY.index(v.verdict), -(v.finding.change if v.finding else 0.0), v.case))
    )
