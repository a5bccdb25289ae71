"""The verdicts of a run determine its exit code, the order of its report, and whether it may become a baseline."""

import pytest

from runoff.gate.run.result import GateResult, by_urgency
from runoff.gate.statistics.decision import Verdict
from tests.support.gate_results import case_verdict, gate_result


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        pytest.param(gate_result(Verdict.OK, Verdict.IMPROVEMENT), 0, id="no-regression"),
        pytest.param(gate_result(Verdict.OK, Verdict.NEW, Verdict.MISSING), 0, id="new-and-missing"),
        pytest.param(gate_result(Verdict.REGRESSION, Verdict.INVALID, Verdict.INCONCLUSIVE), 10, id="regression-first"),
        pytest.param(gate_result(Verdict.OK, Verdict.INVALID), 11, id="invalid"),
        pytest.param(gate_result(Verdict.NEW, Verdict.MISSING), 11, id="nothing-compared"),
        pytest.param(gate_result(), 11, id="no-cases"),
        pytest.param(gate_result(refused="no baseline"), 11, id="refused"),
        pytest.param(gate_result(Verdict.OK, Verdict.INCONCLUSIVE), 0, id="inconclusive"),
    ],
)
def test_exit_code_follows_the_worst_verdict(result: GateResult, expected: int) -> None:
    """CI jobs see only the exit code, so it must reflect the worst verdict."""
    assert expected == result.exit_code(strict=False)


def test_inconclusive_verdict_fails_a_strict_gate() -> None:
    """Users of --gate-strict require proof that nothing became slower, and an inconclusive case is no proof."""
    assert 12 == gate_result(Verdict.OK, Verdict.INCONCLUSIVE).exit_code(strict=True)
    assert 0 == gate_result(Verdict.OK).exit_code(strict=True)


@pytest.mark.parametrize("verdict", [Verdict.REGRESSION, Verdict.INVALID, Verdict.NEW])
def test_run_with_a_bad_verdict_is_never_a_baseline(verdict: Verdict) -> None:
    """If a run with a regression became the baseline, the next run would pass although the code is still slow."""
    assert gate_result(verdict).no_baseline_because
    assert "" == gate_result(Verdict.OK, Verdict.IMPROVEMENT, Verdict.INCONCLUSIVE).no_baseline_because


def test_worst_verdict_stands_first() -> None:
    """Many readers look only at the first lines, so the cases that need action must come first."""
    mixed = [
        case_verdict(Verdict.OK, 0.02),
        case_verdict(Verdict.REGRESSION, 0.05),
        case_verdict(Verdict.INVALID),
        case_verdict(Verdict.REGRESSION, 0.3),
    ]
    shown = [(each.verdict, each.finding.change) for each in by_urgency(mixed) if each.finding]
    assert [(Verdict.REGRESSION, 0.3), (Verdict.REGRESSION, 0.05)] == shown[:2]
    assert Verdict.OK is shown[-1][0]
