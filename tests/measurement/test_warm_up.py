"""The warm-up ends as soon as the call's duration is steady. A fake clock makes these tests deterministic."""

from collections.abc import Callable, Iterator
from itertools import chain, repeat

import pytest

from runoff.measurement.warm_up import ROUND_NS, warm_up


class Clock:
    """A fake clock. Each call of `call` advances the clock by the next of the given durations."""

    def __init__(self, durations_ns: Iterator[int]) -> None:
        self.now_ns = 0
        self._durations_ns = durations_ns

    def call(self) -> None:
        self.now_ns += next(self._durations_ns)

    def read(self) -> int:
        return self.now_ns


def test_constant_call_is_steady_with_its_own_duration() -> None:
    """Calls per round are computed from the call's duration, so the warm-up must measure that duration correctly."""
    clock = Clock(repeat(1_000_000))
    warm = warm_up(clock.call, clock.read)
    assert (True, 1_000_000) == (warm.steady, warm.call_ns)


def test_slow_first_call_does_not_affect_the_rounds() -> None:
    """The first call is often much slower than the rest, so the number of calls per round must not be based on it."""
    clock = Clock(chain([400_000_000], repeat(1_000_000)))
    warm = warm_up(clock.call, clock.read)
    assert (400_000_000, ROUND_NS // 1_000_000) == (warm.first_call_ns, warm.iterations())


def test_warm_up_goes_on_while_the_call_gets_faster() -> None:
    """JIT compilation may start late, and the warm-up must last until the compilation has finished."""
    clock = Clock(chain((20_000_000 - 1_000_000 * n for n in range(19)), repeat(1_000_000)))
    assert warm_up(clock.call, clock.read).call_ns == 1_000_000


def test_call_that_never_settles_is_reported_as_unsteady() -> None:
    """If the duration never becomes steady, the warm-up must end at its time limit and be recorded as unsteady."""
    clock = Clock(30_000_000 * (1 + n % 2) for n in range(10_000))
    assert not warm_up(clock.call, clock.read).steady


def test_warm_up_ends_at_its_time_limit() -> None:
    """In the gate, three workers warm up in every block, so the gate must be able to limit a warm-up's duration."""
    clock = Clock(1_000_000 * (1 + n) for n in range(10_000))
    assert 15 > warm_up(clock.call, clock.read, longest_ns=50_000_000).calls


@pytest.mark.parametrize(("call_ns", "iterations"), [(4_000, 1_000), (3_000_000, 2), (50_000_000, 1)])
def test_round_lasts_milliseconds(call_ns: int, iterations: int) -> None:
    """Very short rounds mostly measure the timer, and during long rounds the machine's speed may change."""
    clock = Clock(repeat(call_ns))
    assert iterations == warm_up(clock.call, clock.read).iterations()


def test_error_of_the_call_is_passed_on() -> None:
    """If a backend fails during the warm-up, the case must fail with the backend's own error message."""

    def broken() -> None:
        raise ConnectionError("gone")

    call: Callable[[], None] = broken
    with pytest.raises(ConnectionError, match="gone"):
        warm_up(call)
