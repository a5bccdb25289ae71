"""The gate's verdict on a case, tested with made-up measurements."""

import numpy as np
import pytest

from runoff.gate.statistics import decision
from runoff.gate.statistics.decision import Verdict

# Twelve log-ratios between -0.5 % and +0.5 %, with a median near 0.
SPREAD = np.array([-0.4, 0.3, -0.2, 0.1, 0.5, -0.1, 0.2, -0.5, 0.4, -0.3, 0.05, -0.05]) * 0.01
QUIET = SPREAD / 10


def decide(change: float, spread: float = 0.5, null: float = 0.0, cases: int = 1, alpha: float = 0.01) -> Verdict:
    """Return the verdict of a case whose time changed by `change`, in a run whose other cases did not change."""
    blocks = [SPREAD * spread + np.log1p(change), *[QUIET] * (cases - 1)]
    return decision.decide(blocks, [QUIET + np.log1p(null)] * cases, [0.03] * cases, alpha)[0].verdict


def needs_second_stage(change: float, spread: float = 0.5, null: float = 0.0) -> bool:
    """Return whether a case needs the second stage, given its five blocks of the first stage."""
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
def test_clear_blocks_give_a_clear_verdict(change: float, expected: Verdict) -> None:
    """If noise is negligible, the verdict depends only on whether the change exceeds the tolerance of 3 %."""
    assert expected is decide(change)


def test_slowdown_hidden_in_noise_is_inconclusive() -> None:
    """Under heavy noise, the evidence is too weak for `regression`, but `ok` would hide a slowdown of 4 %."""
    assert Verdict.INCONCLUSIVE is decide(0.04, spread=15)


def test_unchanged_case_with_noisy_blocks_is_inconclusive() -> None:
    """`ok` promises that any slowdown is below the tolerance, and noisy measurements cannot support this promise."""
    assert Verdict.INCONCLUSIVE is decide(0.0, spread=30)


def test_case_whose_null_differs_from_the_baseline_is_invalid() -> None:
    """Null and baseline run the same code, so if they differ, something other than the code affects the times."""
    assert Verdict.INVALID is decide(0.05, null=0.05)
    assert Verdict.INVALID is decide(0.0, null=-0.05)


def test_regression_needs_more_evidence_among_more_cases() -> None:
    """The p value of 12 blocks is at least 2⁻¹². Multiplied by 41 cases, it exceeds the 1 % that a regression needs."""
    assert Verdict.REGRESSION is decide(0.05, cases=40)
    assert Verdict.INCONCLUSIVE is decide(0.05, cases=41)


def test_smallest_visible_slowdown_is_a_regression_and_a_smaller_one_is_not() -> None:
    """Users rely on the reported smallest visible slowdown to judge what an inconclusive case may hide."""
    blocks = SPREAD * 15 + 0.04
    finding = decision.decide([blocks], [QUIET], [0.03], 0.01)[0]
    assert finding.smallest_visible
    shifted = blocks - np.log1p(finding.change) + np.log1p(finding.smallest_visible)
    assert Verdict.REGRESSION is decision.decide([shifted + 1e-9], [QUIET], [0.03], 0.01)[0].verdict
    assert Verdict.REGRESSION is not decision.decide([shifted - 1e-3], [QUIET], [0.03], 0.01)[0].verdict


def test_every_case_has_its_own_tolerance() -> None:
    """A test with a gate marker may have a larger tolerance than the other tests."""
    blocks = SPREAD * 0.5 + np.log1p(0.05)
    findings = decision.decide([blocks, blocks], [QUIET, QUIET], [0.03, 0.10], 0.01)
    assert [Verdict.REGRESSION, Verdict.OK] == [finding.verdict for finding in findings]


@pytest.mark.parametrize(
    ("change", "expected"),
    [(0.0, False), (0.010, False), (0.02, True), (0.05, True), (-0.02, False), (-0.05, True)],
)
def test_second_stage_is_for_cases_that_may_be_slower_or_are_clearly_faster(change: float, expected: bool) -> None:
    """The second stage takes at least twelve more blocks per case, so clearly unchanged cases must skip it."""
    assert expected is needs_second_stage(change)


def test_second_stage_is_for_noisy_cases_and_for_an_unequal_null() -> None:
    """A slowdown may hide in five noisy blocks, and the null may differ by chance, so such cases need more blocks."""
    assert needs_second_stage(0.0, spread=8)
    assert needs_second_stage(0.0, null=0.05)


def test_swapped_sides_turn_a_regression_into_an_improvement() -> None:
    """The decision must favour neither side, so swapping the sides must mirror the verdict and the numbers."""
    blocks = SPREAD * 0.5 + 0.05
    slower, faster = (decision.decide([values], [QUIET], [0.03], 0.01)[0] for values in (blocks, -blocks))
    assert (Verdict.REGRESSION, Verdict.IMPROVEMENT) == (slower.verdict, faster.verdict)
    assert (1 + slower.change) * (1 + faster.change) == pytest.approx(1.0)
    assert (1 + slower.low) * (1 + faster.high) == pytest.approx(1.0)
