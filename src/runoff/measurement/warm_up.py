"""How a call is timed: warmed to a steady state first, then in rounds that last milliseconds."""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

# Long beside the timer (some 50 ns a round) and beside the loop around the call, short beside the machine's changes
# of speed.
ROUND_NS = 4_000_000
# Windows over which a call's time is compared to see whether it still falls; JITs, arenas and caches settle in tens of
# milliseconds.
_WINDOW_NS = 20_000_000
_STEADY_WITHIN = 0.05
_FEWEST_WARM_CALLS = 5
LONGEST_WARM_UP_NS = 1_500_000_000

Call = Callable[[], object]


@dataclass(frozen=True)
class WarmCall:
    """
    What the warm-up of a call found.

    Attributes:
        first_call_ns: The very first call, everything lazy included.
        call_ns: One call in the steady state: the median of the last window.
        calls: Calls that were made.
        steady: Whether the last two windows agreed; False where the call kept changing until the time was up.
    """

    first_call_ns: int
    call_ns: float
    calls: int
    steady: bool

    def iterations(self, round_ns: int = ROUND_NS) -> int:
        """Return how many calls make a round of about `round_ns`; at least one."""
        return max(1, math.ceil(round_ns / self.call_ns))


def warm_up(
    call: Call, timer_ns: Callable[[], int] = time.perf_counter_ns, longest_ns: int = LONGEST_WARM_UP_NS
) -> WarmCall:
    """
    Repeat a call until its time is steady.

    Args:
        call: What will be timed.
        timer_ns: A monotonic clock.
        longest_ns: When to give up, with at least five calls made.

    Returns:
        What was found; the call is warm.
    """
    start = timer_ns()
    call()
    first_call_ns = timer_ns() - start
    calls, steady, before = 1, False, math.inf
    while True:
        durations = _window(call, timer_ns)
        calls += len(durations)
        now = statistics.median(durations)
        if abs(now - before) <= _STEADY_WITHIN * before and calls >= _FEWEST_WARM_CALLS:
            steady = True
            break
        before = now
        if timer_ns() - start > longest_ns and calls >= _FEWEST_WARM_CALLS:
            break
    return WarmCall(first_call_ns, max(now, 1.0), calls, steady)


def _window(call: Call, timer_ns: Callable[[], int]) -> list[int]:
    """Return the duration of each call over one window; at least one."""
    durations = []
    before = start = timer_ns()
    while before - start < _WINDOW_NS:
        call()
        after = timer_ns()
        durations.append(after - before)
        before = after
    return durations
