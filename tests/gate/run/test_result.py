"""Exit codes, order and baseline rules of results made by hand; and how they are shown."""

import json

import pytest

from runoff.gate.report import as_json, junit_properties, markdown_lines, terminal_lines
from runoff.gate.run.result import CaseVerdict, GateResult, by_urgency
from runoff.gate.statistics.decision import Finding, Verdict


def verdict(word: Verdict, change: float = 0.0, case: str = "test_x.py::test_some") -> CaseVerdict:
    """Make a verdict; with numbers where its word has some."""
    if word in (Verdict.NEW, Verdict.MISSING):
        return CaseVerdict(case, word, 0.03, "is not there")
    visible = 0.08 if word is Verdict.INCONCLUSIVE else None
    finding = Finding(word, change, change - 0.01, float("inf"), 0.5, visible, 0.0, 12)
    return CaseVerdict(case, word, 0.03, "", finding, 1.1e-3, 1.0e-3, second_stage=True)


def result(*words: Verdict, refused: str = "") -> GateResult:
    """Make a result."""
    return GateResult("main", "main (0123456789ab)", 0.01, tuple(map(verdict, words)), refused=refused)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(result(Verdict.OK, Verdict.IMPROVEMENT), 0, id="green"),
        pytest.param(result(Verdict.OK, Verdict.NEW, Verdict.MISSING), 0, id="new-and-missing-are-said"),
        pytest.param(result(Verdict.REGRESSION, Verdict.INVALID, Verdict.INCONCLUSIVE), 10, id="regression-wins"),
        pytest.param(result(Verdict.OK, Verdict.INVALID), 11, id="invalid"),
        pytest.param(result(Verdict.NEW, Verdict.MISSING), 11, id="nothing-compared"),
        pytest.param(result(), 11, id="nothing-at-all"),
        pytest.param(result(refused="no baseline"), 11, id="refused"),
        pytest.param(result(Verdict.OK, Verdict.INCONCLUSIVE), 0, id="inconclusive"),
    ],
)
def test_exit_code(found: GateResult, expected: int) -> None:
    """What CI acts on."""
    assert expected == found.exit_code(strict=False)


def test_inconclusive_fails_a_strict_gate() -> None:
    """For those who want proof that nothing became slower."""
    assert 12 == result(Verdict.OK, Verdict.INCONCLUSIVE).exit_code(strict=True)
    assert 0 == result(Verdict.OK).exit_code(strict=True)


@pytest.mark.parametrize("word", [Verdict.REGRESSION, Verdict.INVALID, Verdict.NEW])
def test_run_that_is_not_clean_is_never_a_baseline(word: Verdict) -> None:
    """A red run that becomes the baseline turns the next one green."""
    assert result(word).no_baseline_because
    assert "" == result(Verdict.OK, Verdict.IMPROVEMENT, Verdict.INCONCLUSIVE).no_baseline_because


def test_worst_stands_first() -> None:
    """The first line is what somebody has to act on."""
    mixed = [
        verdict(Verdict.OK, 0.02),
        verdict(Verdict.REGRESSION, 0.05),
        verdict(Verdict.INVALID),
        verdict(Verdict.REGRESSION, 0.3),
    ]
    shown = [(each.verdict, each.finding.change) for each in by_urgency(mixed) if each.finding]
    assert [(Verdict.REGRESSION, 0.3), (Verdict.REGRESSION, 0.05)] == shown[:2]
    assert Verdict.OK is shown[-1][0]


def test_table_has_times_change_and_tolerance() -> None:
    """Everything one needs to believe the word, on its line."""
    text = "\n".join(terminal_lines(GateResult("main", "main", 0.01, (verdict(Verdict.REGRESSION, 0.1),)), ["python"]))
    for part in ("1.00 ms → 1.10 ms", "+10.0% [+9.0%, ?]", " 3%", "regression"):
        assert part in text


def test_inconclusive_says_what_could_have_been_seen() -> None:
    """Between "no slowdown" and "no idea" lies a number."""
    text = "\n".join(terminal_lines(result(Verdict.INCONCLUSIVE), ["python"]))
    assert "the smallest slowdown these blocks could have shown is +8.0%" in text


def test_repeating_command_is_safe_to_paste() -> None:
    """Test ids hold brackets, blanks and worse."""
    odd = CaseVerdict("test_x.py::test_some[a b; rm $x]", Verdict.OK, 0.03)
    text = "\n".join(
        terminal_lines(GateResult("main", "main", 0.01, (odd,)), ["python", "-m", "pytest", "--gate-against", "main"])
    )
    assert "python -m pytest 'test_x.py::test_some[a b; rm $x]' --gate-against main" in text


def test_markdown_cannot_be_broken_by_a_test_id() -> None:
    """A bar would end the cell."""
    odd = CaseVerdict("test_x.py::test_some[a|b*c*]", Verdict.NEW, 0.03, "is not there")
    (row,) = [
        line
        for line in markdown_lines(GateResult("main", "main", 0.01, (odd,)), ["python"])
        if line.startswith("|") and "new" in line
    ]
    assert 6 == row.replace("\\|", "").count("|")


def test_saved_result_is_strict_json() -> None:
    """Infinity is no JSON; readers of other languages refuse the whole file."""
    text = json.dumps(as_json(result(*Verdict), 10), allow_nan=False)
    assert {str(word) for word in Verdict} == {each["word"] for each in json.loads(text)["verdicts"]}


def test_junit_properties_carry_the_numbers() -> None:
    """JUnit has no place for a table."""
    found = dict(junit_properties(verdict(Verdict.REGRESSION, 0.1)))
    assert ("regression", 0.1, 1.0e-3) == (found["gate_verdict"], found["gate_change"], found["gate_baseline_s"])
