"""Warm a call up to a steady state before it is timed, and plan rounds that last milliseconds."""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

# Duration of a round: long compared with the timer's and the loop's overhead (about 50 ns), short compared with the
# periods over which the machine changes its speed.
ROUND_NS = 4_000_000
# The warm-up ends when the medians of two successive windows agree. JIT compilers, memory arenas and caches settle
# within tens of milliseconds.
_WINDOW_NS = 20_000_000
_STEADY_WITHIN = 0.05
_FEWEST_WARM_CALLS = 5
LONGEST_WARM_UP_NS = 1_500_000_000

Call = Callable[[], object]


@dataclass(frozen=True)
class WarmCall:
    """
    Timings of a call during its warm-up.

    Attributes:
        first_call_ns: Duration of the first call, including all lazy initialisation.
        call_ns: Duration of one call in the steady state: the median of the last window.
        calls: Number of calls made.
        steady: Whether the last two windows agreed; False if the duration kept changing until the time limit.
    """

    first_call_ns: int
    call_ns: float
    calls: int
    steady: bool

    def iterations(self, round_ns: int = ROUND_NS) -> int:
        """Return the number of calls in a round of about `round_ns`; at least one."""
        return max(1, math.ceil(round_ns / self.call_ns))


def warm_up(
    call: Call, timer_ns: Callable[[], int] = time.perf_counter_ns, longest_ns: int = LONGEST_WARM_UP_NS
) -> WarmCall:
    """
    Repeat a call until its duration is steady.

    Args:
        call: The call that will be timed later.
        timer_ns: A monotonic clock in nanoseconds.
        longest_ns: Time limit, after which the warm-up ends even if the duration is not steady. At least five calls are
            made in any case.

    Returns:
        The timings of the warm-up.
    """
    start = timer_ns()
    call()
    first_call_ns = timer_ns() - start
    calls, steady, previous_median = 1, False, math.inf
    while True:
        durations = _window(call, timer_ns)
        calls += len(durations)
        median = statistics.median(durations)
        if abs(median - previous_median) <= _STEADY_WITHIN * previous_median and calls >= _FEWEST_WARM_CALLS:
            steady = True
            break
        previous_median = median
        if timer_ns() - start > longest_ns and calls >= _FEWEST_WARM_CALLS:
            break
    return WarmCall(first_call_ns, max(median, 1.0), calls, steady)


def _window(call: Call, timer_ns: Callable[[], int]) -> list[int]:
    """Return the duration of each call in a window of _WINDOW_NS; at least one call is made."""
    durations = []
    before = start = timer_ns()
    while before - start < _WINDOW_NS:
        call()
        after = timer_ns()
        durations.append(after - before)
        before = after
    return durations
