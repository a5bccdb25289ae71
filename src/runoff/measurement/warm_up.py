"""Repeat a call until its duration is steady, and choose how many calls make a round of a few milliseconds."""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

# A round of 4 ms is much longer than the overhead of the timer and the loop (about 50 ns), and much shorter than the
# time between two changes of the machine's speed.
ROUND_NS = 4_000_000
# The warm-up ends when the median durations of two successive windows differ by at most 5 %. JIT compilers, memory
# arenas and caches settle within tens of milliseconds, so each window lasts 20 ms.
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
        steady: Whether the last two windows agreed. False if the duration kept changing until the time limit.
    """

    first_call_ns: int
    call_ns: float
    calls: int
    steady: bool

    def iterations(self, round_ns: int = ROUND_NS) -> int:
        """Return how many calls make a round of about `round_ns` nanoseconds, at least one."""
        return max(1, math.ceil(round_ns / self.call_ns))


def warm_up(
    call: Call, timer_ns: Callable[[], int] = time.perf_counter_ns, longest_ns: int = LONGEST_WARM_UP_NS
) -> WarmCall:
    """
    Repeat a call until its duration is steady or the time limit is reached.

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
    """Repeat the call for _WINDOW_NS, at least once, and return the duration of each call in nanoseconds."""
    durations = []
    before = start = timer_ns()
    while before - start < _WINDOW_NS:
        call()
        after = timer_ns()
        durations.append(after - before)
        before = after
    return durations
