"""Verdicts of blocks that were made by hand."""

import numpy as np
import pytest

from runoff.gate.statistics import decision
from runoff.gate.statistics.decision import Verdict

SPREAD = np.array([-0.4, 0.3, -0.2, 0.1, 0.5, -0.1, 0.2, -0.5, 0.4, -0.3, 0.05, -0.05]) * 0.01
QUIET = SPREAD / 10


def word(change: float, spread: float = 0.5, null: float = 0.0, cases: int = 1, alpha: float = 0.01) -> Verdict:
    """Decide one case among others that did not change."""
    blocks = [SPREAD * spread + np.log1p(change), *[QUIET] * (cases - 1)]
    return decision.decide(blocks, [QUIET + np.log1p(null)] * cases, [0.03] * cases, alpha)[0].verdict


def needs_second_stage(change: float, spread: float = 0.5, null: float = 0.0) -> bool:
    """Say whether a case of five blocks needs a second look."""
    blocks = (SPREAD[:5] * spread + np.log1p(change))[None]
    return bool(decision.needs_second_stage(blocks, (QUIET[:5] + np.log1p(null))[None], np.array([0.03]))[0])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(0.05, Verdict.REGRESSION, id="slower"),
        pytest.param(-0.05, Verdict.IMPROVEMENT, id="faster"),
        pytest.param(0.0, Verdict.OK, id="unchanged"),
        pytest.param(0.02, Verdict.OK, id="slower-within-the-tolerance"),
        pytest.param(-0.02, Verdict.OK, id="faster-within-the-tolerance"),
    ],
)
def test_verdict_of_clear_blocks(change: float, expected: Verdict) -> None:
    """The words mean what the method says."""
    assert expected is word(change)


def test_slowdown_drowned_in_noise_is_inconclusive() -> None:
    """Neither an alarm nor an all-clear may come of it."""
    assert Verdict.INCONCLUSIVE is word(0.04, spread=15)


def test_wide_blocks_are_inconclusive_even_if_unchanged() -> None:
    """`ok` is a claim: that it is not slower by the tolerance."""
    assert Verdict.INCONCLUSIVE is word(0.0, spread=30)


def test_baseline_that_differs_from_itself_is_invalid() -> None:
    """What is measured there is no property of the code."""
    assert Verdict.INVALID is word(0.05, null=0.05)
    assert Verdict.INVALID is word(0.0, null=-0.05)


def test_regression_needs_more_evidence_among_more_cases() -> None:
    """Twelve blocks reach 2⁻¹²; with 41 cases that no longer is 1 %."""
    assert Verdict.REGRESSION is word(0.05, cases=40)
    assert Verdict.INCONCLUSIVE is word(0.05, cases=41)


def test_smallest_visible_slowdown_is_visible() -> None:
    """The number in the report is checked by making it true: at it there is a verdict, below it there is none."""
    blocks = SPREAD * 15 + 0.04
    finding = decision.decide([blocks], [QUIET], [0.03], 0.01)[0]
    assert finding.smallest_visible
    moved = blocks - np.log1p(finding.change) + np.log1p(finding.smallest_visible)
    assert Verdict.REGRESSION is decision.decide([moved + 1e-9], [QUIET], [0.03], 0.01)[0].verdict
    assert Verdict.REGRESSION is not decision.decide([moved - 1e-3], [QUIET], [0.03], 0.01)[0].verdict


def test_tolerance_is_per_case() -> None:
    """A marker may grant one test more."""
    blocks = SPREAD * 0.5 + np.log1p(0.05)
    findings = decision.decide([blocks, blocks], [QUIET, QUIET], [0.03, 0.10], 0.01)
    assert [Verdict.REGRESSION, Verdict.OK] == [finding.verdict for finding in findings]


@pytest.mark.parametrize(
    ("change", "expected"),
    [(0.0, False), (0.010, False), (0.02, True), (0.05, True), (-0.02, False), (-0.05, True)],
)
def test_second_look_is_for_what_may_be_slower_or_is_clearly_faster(change: float, expected: bool) -> None:
    """It costs twelve blocks."""
    assert expected is needs_second_stage(change)


def test_second_look_is_for_what_is_noisy_and_for_an_odd_null() -> None:
    """An all-clear from wide blocks would be luck."""
    assert needs_second_stage(0.0, spread=8)
    assert needs_second_stage(0.0, null=0.05)


def test_swapped_sides_turn_a_regression_into_an_improvement() -> None:
    """The mirror image, in words and numbers."""
    blocks = SPREAD * 0.5 + 0.05
    there, back = (decision.decide([values], [QUIET], [0.03], 0.01)[0] for values in (blocks, -blocks))
    assert (Verdict.REGRESSION, Verdict.IMPROVEMENT) == (there.verdict, back.verdict)
    assert (1 + there.change) * (1 + back.change) == pytest.approx(1.0)
    assert (1 + there.low) * (1 + back.high) == pytest.approx(1.0)
