"""The plan of a gate run has enough blocks to find a regression. A plan that could never find one is refused."""

import math

import pytest

from runoff.errors import GateError
from runoff.gate.statistics.plan import Plan


def test_twelve_blocks_suffice_for_forty_cases() -> None:
    """The smallest p value of 12 blocks is 2⁻¹². Multiplied by 40 cases, it is below 1 %; multiplied by 41, above."""
    assert [12, 12, 13] == [Plan().blocks_for(cases) for cases in (1, 40, 41)]


@pytest.mark.parametrize("cases", [1, 7, 24, 80, 1000])
@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.0001])
def test_every_accepted_plan_can_find_a_regression(cases: int, alpha: float) -> None:
    """A gate that cannot report a regression would always pass, and nobody would notice for months."""
    assert 2.0 ** -Plan(alpha=alpha).blocks_for(cases) * cases <= alpha


def test_alpha_that_needs_too_many_blocks_is_refused() -> None:
    """If a run could never find a regression, the gate must refuse it before measuring anything."""
    with pytest.raises(GateError, match=r"could never find.* need \d+ blocks"):
        Plan(alpha=1e-9)


def test_budget_too_short_for_a_second_stage_is_refused() -> None:
    """Users copy the time that the error message recommends, so a budget of exactly that time must be accepted."""
    with pytest.raises(GateError, match=r"60s leaves no room.*would need 72 s"):
        Plan(budget_s=60).check_budget(spent_s=4, first_block_s=5, start_s=3, cheapest_case_s=1)
    Plan(budget_s=72).check_budget(spent_s=4, first_block_s=5, start_s=3, cheapest_case_s=1)


def test_only_the_most_suspicious_cases_share_the_rest_of_the_budget() -> None:
    """The gate must keep to its time budget, so it measures only the cases that fit; the rest become inconclusive."""
    plan = Plan()
    assert 2 == plan.affordable_cases([1.0, 1.0, 1.0], start_s=2.0, left_s=50.0)
    assert 0 == plan.affordable_cases([1.0], start_s=2.0, left_s=35.0)
    assert 3 == plan.affordable_cases([1.0, 1.0, 1.0], start_s=2.0, left_s=math.inf)
