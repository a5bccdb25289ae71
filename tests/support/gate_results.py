"""Gate results with made-up verdicts and numbers, for tests of reports and exit codes."""

from runoff.gate.run.result import CaseVerdict, GateResult
from runoff.gate.statistics.decision import Finding, Verdict


def case_verdict(verdict: Verdict, change: float = 0.0, case: str = "test_x.py::test_some") -> CaseVerdict:
    """Return a CaseVerdict with made-up numbers, or without numbers if the case is new or missing."""
    if verdict in (Verdict.NEW, Verdict.MISSING):
        return CaseVerdict(case, verdict, 0.03, "is not there")
    visible = 0.08 if verdict is Verdict.INCONCLUSIVE else None
    finding = Finding(verdict, change, change - 0.01, float("inf"), 0.5, visible, 0.0, 12)
    return CaseVerdict(case, verdict, 0.03, "", finding, 1.1e-3, 1.0e-3, second_stage=True)


def gate_result(*verdicts: Verdict | CaseVerdict, refused: str = "") -> GateResult:
    """Return a GateResult with one case for each given verdict, in the given order."""
    cases = tuple(each if isinstance(each, CaseVerdict) else case_verdict(each) for each in verdicts)
    return GateResult("main", "main (0123456789ab)", 0.01, cases, refused=refused)
