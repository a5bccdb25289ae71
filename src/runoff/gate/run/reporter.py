"""Where a gate run reports its progress."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Reporter:
    """
    Two functions that show the user how far a gate run has come.

    Attributes:
        line: Print a line that stays in the log, such as the plan or the duration of a block.
        progress: Replace the status on a terminal, such as the block and the case that run now.
    """

    line: Callable[[str], None]
    progress: Callable[[str], None]
