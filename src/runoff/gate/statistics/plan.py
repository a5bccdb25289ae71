"""How many blocks a gate takes, whether it could ever find anything, and what fits into its time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from runoff.errors import GateError
from runoff.gate.statistics.signed_rank import smallest_p

FIRST_BLOCKS, SECOND_BLOCKS = 5, 12
# Beyond it the gate would run for an hour to prove what nobody asked; 2^-24 is an alpha of 6e-8.
_MOST_BLOCKS = 24


@dataclass(frozen=True)
class Plan:
    """
    What the gate sets out to do.

    Attributes:
        alpha: Chance of any false regression in the whole run, at most.
        budget_s: Longest time for measuring; None for as long as it takes.
        first_blocks: Blocks of every case.
        second_blocks: Fresh blocks of the cases that need a second look, at least.

    Raises:
        GateError: If the plan could never find a regression.
    """

    alpha: float = 0.01
    budget_s: float | None = None
    first_blocks: int = FIRST_BLOCKS
    second_blocks: int = SECOND_BLOCKS

    def __post_init__(self) -> None:
        self.blocks_for(1)

    def blocks_for(self, cases: int) -> int:
        """
        Return the fresh blocks that so many cases need, so that the smallest p can still pass Holm's adjustment.

        Raises:
            GateError: If no sensible number of blocks could.
        """
        # The most extreme of `cases` p values is multiplied by `cases`: 2^-n · cases ≤ alpha.
        needed = max(self.second_blocks, math.ceil(math.log2(cases / self.alpha)))
        if needed > _MOST_BLOCKS:
            raise GateError(
                f"a plan that could never find a regression: {cases} cases at --gate-alpha {self.alpha:g} need {needed}"
                f" blocks, more than {_MOST_BLOCKS} are not run (with n blocks the smallest p is 2⁻ⁿ); choose a larger"
                " --gate-alpha or fewer cases"
            )
        assert smallest_p(needed) * cases <= self.alpha  # noqa: S101 - a gate that cannot fire is no gate
        return needed

    def check_budget(self, spent_s: float, first_block_s: float, start_s: float, cheapest_case_s: float) -> None:
        """
        Refuse, after the first block, what cannot end in time.

        Args:
            spent_s: Time since the gate began.
            first_block_s: What the first block took.
            start_s: What starting the processes of a block takes.
            cheapest_case_s: The least that a case of a block takes.

        Raises:
            GateError: If the budget does not leave room for a second look at one single case; says what would.
        """
        if self.budget_s is None:
            return
        needed_s = spent_s + first_block_s * (self.first_blocks - 1)
        needed_s += self.blocks_for(1) * (start_s + cheapest_case_s)
        if needed_s > self.budget_s:
            raise GateError(self.budget_refusal(f"a second look at one single case would need {needed_s:.0f} s in all"))

    def budget_refusal(self, why: str) -> str:
        """Return what to say of a budget within which no regression could be found."""
        return (
            f"a plan that could never find a regression: --gate-budget {self.budget_s:.0f}s leaves no room for one:"
            f" {why}; allow more time or choose fewer cases"
        )

    def affordable_cases(self, costs_s: Sequence[float], start_s: float, left_s: float) -> int:
        """
        Return how many of the cases that need a second look can have it.

        Args:
            costs_s: What each takes in a block, the most suspicious first.
            start_s: What starting the processes of a block takes.
            left_s: Time left of the budget.

        Returns:
            The number of cases, from the front.
        """
        if self.budget_s is None:
            return len(costs_s)
        for cases in range(len(costs_s), 0, -1):
            if self.blocks_for(cases) * (start_s + sum(costs_s[:cases])) <= left_s:
                return cases
        return 0
