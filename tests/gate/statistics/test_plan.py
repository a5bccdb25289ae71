"""Plans that could find something, and those that could not."""

import pytest

from runoff.errors import GateError
from runoff.gate.statistics.plan import Plan


def test_twelve_blocks_serve_up_to_forty_cases() -> None:
    """2⁻¹² · 40 is just under 1 %."""
    assert [12, 12, 13] == [Plan().blocks_for(cases) for cases in (1, 40, 41)]


@pytest.mark.parametrize("cases", [1, 7, 24, 80, 1000])
@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.0001])
def test_any_accepted_plan_can_fire(cases: int, alpha: float) -> None:
    """A gate that cannot fire stays green for months and nobody notices."""
    assert 2.0 ** -Plan(alpha=alpha).blocks_for(cases) * cases <= alpha


def test_plan_that_could_never_fire_is_refused() -> None:
    """Before anything is measured."""
    with pytest.raises(GateError, match=r"could never find.*needs? \d+ blocks"):
        Plan(alpha=1e-9)


def test_budget_without_room_for_one_second_look_is_refused() -> None:
    """After the first block it is known; the message says what would be enough."""
    with pytest.raises(GateError, match=r"60s leaves no room.*would need 72 s"):
        Plan(budget_s=60).check_budget(spent_s=4, first_block_s=5, start_s=3, cheapest_case_s=1)
    Plan(budget_s=72).check_budget(spent_s=4, first_block_s=5, start_s=3, cheapest_case_s=1)


def test_only_the_most_suspicious_cases_get_what_time_is_left() -> None:
    """The budget is kept; what does not fit is said to be inconclusive elsewhere."""
    plan = Plan(budget_s=100)
    assert 2 == plan.affordable_cases([1.0, 1.0, 1.0], start_s=2.0, left_s=50.0)
    assert 0 == plan.affordable_cases([1.0], start_s=2.0, left_s=35.0)
    assert 3 == Plan().affordable_cases([1.0, 1.0, 1.0], start_s=2.0, left_s=0.0)
