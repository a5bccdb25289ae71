"""The warm-up decides what is timed; a clock of our own makes it repeatable."""

from collections.abc import Callable, Iterator
from itertools import chain, repeat

import pytest

from runoff.measurement.warm_up import ROUND_NS, warm_up


class Clock:
    """A clock that only calls move, each by the next of the given durations."""

    def __init__(self, durations_ns: Iterator[int]) -> None:
        self.now_ns = 0
        self._durations_ns = durations_ns

    def call(self) -> None:
        self.now_ns += next(self._durations_ns)

    def read(self) -> int:
        return self.now_ns


def test_steady_call_is_found_steady_at_its_own_time() -> None:
    """The rounds are planned from this number."""
    clock = Clock(repeat(1_000_000))
    warm = warm_up(clock.call, clock.read)
    assert (True, 1_000_000) == (warm.steady, warm.call_ns)


def test_slow_first_call_does_not_stretch_the_rounds() -> None:
    """pytest-benchmark plans from a cold first call: 400 ms and then 1 ms gives five rounds."""
    clock = Clock(chain([400_000_000], repeat(1_000_000)))
    warm = warm_up(clock.call, clock.read)
    assert (400_000_000, ROUND_NS // 1_000_000) == (warm.first_call_ns, warm.iterations())


def test_call_that_still_gets_faster_is_warmed_on() -> None:
    """A JIT that kicks in late must do so before the first round."""
    clock = Clock(chain((20_000_000 - 1_000_000 * n for n in range(19)), repeat(1_000_000)))
    assert warm_up(clock.call, clock.read).call_ns == 1_000_000


def test_call_that_never_settles_is_said_to_be_unsteady() -> None:
    """The record tells it; the warm-up still ends."""
    clock = Clock(30_000_000 * (1 + n % 2) for n in range(10_000))
    assert not warm_up(clock.call, clock.read).steady


def test_warm_up_gives_up_when_told_to() -> None:
    """The gate warms its sides by itself; it waits for three of them in every block."""
    clock = Clock(1_000_000 * (1 + n) for n in range(10_000))
    assert 15 > warm_up(clock.call, clock.read, longest_ns=50_000_000).calls


@pytest.mark.parametrize(("call_ns", "iterations"), [(4_000, 1_000), (3_000_000, 2), (50_000_000, 1)])
def test_round_lasts_milliseconds(call_ns: int, iterations: int) -> None:
    """Shorter rounds drown in the timer, longer ones in the machine's changes of speed."""
    clock = Clock(repeat(call_ns))
    assert iterations == warm_up(clock.call, clock.read).iterations()


def test_error_of_the_call_is_passed_on() -> None:
    """A backend that dies while warming up fails its case with its own words."""

    def broken() -> None:
        raise ConnectionError("gone")

    call: Callable[[], None] = broken
    with pytest.raises(ConnectionError, match="gone"):
        warm_up(call)
