"""Plan a gate run: choose the number of blocks, and check that alpha and the time budget allow a verdict."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from runoff.errors import GateError
from runoff.units import format_items

# 24 blocks suffice for an alpha of 2^-24 = 6e-8. A smaller alpha is of no use, and more blocks would take an hour.
_MAX_BLOCKS = 24


@dataclass(frozen=True)
class Plan:
    """
    The size and the limits of a gate run.

    Attributes:
        alpha: Highest accepted probability that the run reports any false regression.
        budget_s: Time limit for measuring; None for no limit.
        first_blocks: Number of blocks of every case in the first stage.
        second_blocks: Minimum number of fresh blocks of a case in the second stage.

    Raises:
        GateError: If the plan could never find a regression.
    """

    alpha: float = 0.01
    budget_s: float | None = None
    first_blocks: int = 5
    second_blocks: int = 12

    def __post_init__(self) -> None:
        self.blocks_for(1)

    def blocks_for(self, cases: int) -> int:
        """
        Return how many blocks each case needs if this number of cases enters the second stage.

        Raises:
            GateError: If the cases need more than 24 blocks.
        """
        needed = max(self.second_blocks, self.fewest_blocks(cases))
        if needed > _MAX_BLOCKS:
            raise GateError(
                f"the gate could never find a regression: at --gate-alpha {self.alpha:g},"
                f" {format_items(cases, 'case')} would need {needed} blocks each (n blocks give a p value of at least"
                f" 2⁻ⁿ), but the limit is {_MAX_BLOCKS}; choose a larger --gate-alpha or fewer cases"
            )
        return needed

    def fewest_blocks(self, cases: int) -> int:
        """Return the smallest number of blocks that can reveal a regression among this number of cases."""
        # The smallest p value that n blocks can give is 2^-n, and Holm's adjustment multiplies it by `cases`.
        return next(blocks for blocks in itertools.count() if 2.0**-blocks * cases <= self.alpha)

    def check_budget(self, spent_s: float, first_block_s: float, start_s: float, cheapest_case_s: float) -> None:
        """
        After the first block, check that the budget allows the first stage and a second stage with one case.

        Args:
            spent_s: Time since the start of the gate.
            first_block_s: Duration of the first block.
            start_s: Time to start the workers of a block.
            cheapest_case_s: Duration of the shortest case in a block.

        Raises:
            GateError: If the budget is too short. The message contains the time that the two stages would need.
        """
        second_stage_s = self.blocks_for(1) * (start_s + cheapest_case_s)
        needed_s = spent_s + first_block_s * (self.first_blocks - 1) + second_stage_s
        if self.budget_s is not None and needed_s > self.budget_s:
            raise GateError(self.budget_refusal(f"both stages, for a single case, would need {needed_s:.0f} s"))

    def budget_refusal(self, why: str) -> str:
        """Return the error message for a budget that is too short. `why` is a clause for the message."""
        return (
            f"the gate could never find a regression: --gate-budget {self.budget_s:.0f}s leaves no room for the second"
            f" stage: {why}; allow more time or choose fewer cases"
        )

    def affordable_cases(self, costs_s: Sequence[float], start_s: float, left_s: float) -> int:
        """
        Return how many cases fit into the second stage in the remaining time; the most suspicious come first.

        Args:
            costs_s: Duration in a block of each case that needs the second stage, the most suspicious case first.
            start_s: Time to start the workers of a block.
            left_s: Rest of the budget; infinity if there is no limit.
        """
        numbers = range(len(costs_s), 0, -1)
        return next((n for n in numbers if self.blocks_for(n) * (start_s + sum(costs_s[:n])) <= left_s), 0)
