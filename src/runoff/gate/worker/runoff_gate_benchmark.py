"""pytest-benchmark's fixture in a child of the gate: it runs its rounds when the coordinator says so."""

from __future__ import annotations

import functools
import gc
import itertools
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

_AnyFixture: Any = object


class TurnTaking(_AnyFixture):  # type: ignore[misc]  # whichever pytest-benchmark is installed
    """
    Mixed into the class of pytest-benchmark's fixture: rounds are run when the coordinator says so.

    Attributes:
        take_turns: Runs rounds as told of a function, which runs so many calls and returns their seconds; returns the
            seconds of each round and the calls in it, or no rounds if they are not to be published.
    """

    take_turns: Callable[[Callable[[int], float]], tuple[list[float], int]]
    _mode: str | None

    def __call__(self, function_to_benchmark: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._mode:
            return super().__call__(function_to_benchmark, *args, **kwargs)
        self._mode = "benchmark(...)"
        return self._duel(function_to_benchmark, lambda: (args, kwargs), setup=None, teardown=None)

    def pedantic(
        self,
        target: Callable[..., Any],
        args: Any = (),
        kwargs: Any = None,
        setup: Any = None,
        teardown: Any = None,
        rounds: int = 1,
        warmup_rounds: int = 0,
        iterations: int = 1,
    ) -> Any:
        if self._mode or (setup and iterations > 1):
            return super().pedantic(target, args, kwargs, setup, teardown, rounds, warmup_rounds, iterations)
        self._mode = "benchmark.pedantic(...)"

        def arguments() -> Any:
            made = setup() if setup else None
            if made and (args or kwargs):
                raise TypeError("Can't use `args` or `kwargs` if `setup` returns the arguments.")
            return made or (args, kwargs or {})

        return self._duel(target, arguments, setup=setup, teardown=teardown)

    def _duel(self, target: Callable[..., Any], arguments: Callable[[], Any], setup: Any, teardown: Any) -> Any:
        timer = getattr(self, "_timer", time.perf_counter)
        collect = getattr(self, "_disable_gc", False)

        def one_by_one(calls: int) -> float:
            total = 0.0
            for _ in range(calls):
                args, kwargs = arguments()
                start = timer()
                target(*args, **kwargs)
                total += timer() - start
                if teardown is not None:
                    teardown(*args, **kwargs)
            return float(total)

        def in_a_row(calls: int) -> float:
            args, kwargs = arguments()
            times = itertools.repeat(None, calls)
            start = timer()
            for _ in times:
                target(*args, **kwargs)
            return float(timer() - start)

        run = one_by_one if setup or teardown else in_a_row
        durations, calls = TurnTaking.take_turns(functools.partial(untraced, run, no_gc=collect))
        if durations:
            self._publish(durations, calls)
        args, kwargs = arguments()
        result = target(*args, **kwargs)
        if teardown is not None:
            teardown(*args, **kwargs)
        return result

    def _publish(self, durations: list[float], calls: int) -> None:
        """Give the rounds to pytest-benchmark: its own `pedantic` with a timer that says what was measured."""
        readings = iter([reading for duration in durations for reading in (0.0, duration)])
        self._mode, self._timer, self.cprofile = None, lambda: next(readings), False
        # A suite may have put a runner of its own into the fixture; there is nothing to run here.
        self.__dict__.pop("_make_runner", None)
        super().pedantic(lambda: None, rounds=len(durations), iterations=calls)
        assert next(readings, None) is None, "pytest-benchmark read its timer another number of times"  # noqa: S101


@functools.cache
def turn_taking_class(kind: Any) -> Any:
    """Return a subclass of the installed pytest-benchmark's fixture class, whichever version that is."""
    return type("BenchmarkInLockstep", (TurnTaking, kind), {})


def untraced(run: Callable[[int], float], calls: int, no_gc: bool) -> float:
    """Run a round without coverage's or a debugger's hooks."""
    tracer, profiler, collecting = sys.gettrace(), sys.getprofile(), gc.isenabled()
    sys.settrace(None)
    sys.setprofile(None)
    if no_gc:
        gc.disable()
    try:
        return run(calls)
    finally:
        sys.settrace(tracer)
        sys.setprofile(profiler)
        if collecting:
            gc.enable()


class OverridingBenchmark:
    """Registered late, so that its fixture stands before pytest-benchmark's own and is given that one."""

    @pytest.fixture
    def benchmark(self, benchmark: Any) -> Any:
        """pytest-benchmark's fixture, whose rounds are run by turns."""
        kind: Any = type(benchmark)
        benchmark.__class__ = turn_taking_class(kind)
        return benchmark


def warm_up(run: Callable[[int], float], for_ns: float) -> float:
    """Call for some time, at least once; return the nanoseconds of one call, the median of the later half."""
    found: list[float] = []
    total_ns, calls = 0.0, 1
    while total_ns < for_ns or len(found) < 2:
        duration_ns = run(calls) * 1e9
        found.append(duration_ns / calls)
        total_ns += max(duration_ns, 1.0)
        if duration_ns < for_ns / 16:
            calls *= 2
        if total_ns > for_ns and duration_ns > for_ns:
            break
    return max(statistics.median(found[len(found) // 2 :]), 1.0)
