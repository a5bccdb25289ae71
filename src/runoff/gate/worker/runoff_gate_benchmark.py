"""Replace pytest-benchmark's fixture in a gate worker, so that the coordinator decides when each round runs."""

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


class CoordinatedRounds(_AnyFixture):  # type: ignore[misc]  # the base is the installed pytest-benchmark's fixture
    """
    Mixin for pytest-benchmark's fixture class, which lets the coordinator decide when each round runs.

    Attributes:
        run_rounds: Runs the rounds that the coordinator requests. Its argument is a function that runs a number of
            iterations and returns their duration in seconds. `run_rounds` returns each round's duration in seconds (an
            empty list if the rounds must not be published) and the number of iterations in a round.
    """

    run_rounds: Callable[[Callable[[int], float]], tuple[list[float], int]]
    _mode: str | None

    def __call__(self, function_to_benchmark: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._mode:
            return super().__call__(function_to_benchmark, *args, **kwargs)
        self._mode = "benchmark(...)"
        return self._run_coordinated(function_to_benchmark, lambda: (args, kwargs), setup=None, teardown=None)

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

        return self._run_coordinated(target, arguments, setup=setup, teardown=teardown)

    def _run_coordinated(
        self, target: Callable[..., Any], arguments: Callable[[], Any], setup: Any, teardown: Any
    ) -> Any:
        timer = getattr(self, "_timer", time.perf_counter)
        no_gc = getattr(self, "_disable_gc", False)

        def run_one_by_one(iterations: int) -> float:
            total_s = 0.0
            for _ in range(iterations):
                args, kwargs = arguments()
                start = timer()
                target(*args, **kwargs)
                total_s += timer() - start
                if teardown is not None:
                    teardown(*args, **kwargs)
            return float(total_s)

        def run_in_a_loop(iterations: int) -> float:
            args, kwargs = arguments()
            repeats = itertools.repeat(None, iterations)
            start = timer()
            for _ in repeats:
                target(*args, **kwargs)
            return float(timer() - start)

        run = run_one_by_one if setup or teardown else run_in_a_loop
        durations_s, iterations = CoordinatedRounds.run_rounds(functools.partial(run_untraced, run, no_gc=no_gc))
        if durations_s:
            self._publish(durations_s, iterations)
        args, kwargs = arguments()
        result = target(*args, **kwargs)
        if teardown is not None:
            teardown(*args, **kwargs)
        return result

    def _publish(self, durations_s: list[float], iterations: int) -> None:
        """Add the rounds to pytest-benchmark's results by running `pedantic` with a timer that replays them."""
        readings = iter([reading for duration_s in durations_s for reading in (0.0, duration_s)])
        self._mode, self._timer, self.cprofile = None, lambda: next(readings), False
        # Some suites replace the fixture's runner. Remove their runner, because it would not replay the rounds.
        self.__dict__.pop("_make_runner", None)
        super().pedantic(lambda: None, rounds=len(durations_s), iterations=iterations)
        assert next(readings, None) is None, "pytest-benchmark read its timer an unexpected number of times"  # noqa: S101


@functools.cache
def coordinated_class(fixture_class: Any) -> Any:
    """Add CoordinatedRounds to the fixture class of the installed pytest-benchmark, and return the new class."""
    return type("CoordinatedBenchmark", (CoordinatedRounds, fixture_class), {})


def run_untraced(run: Callable[[int], float], iterations: int, no_gc: bool) -> float:
    """Run a round with the tracing of coverage tools and debuggers switched off. Return its duration in seconds."""
    tracer, profiler, gc_enabled = sys.gettrace(), sys.getprofile(), gc.isenabled()
    sys.settrace(None)
    sys.setprofile(None)
    if no_gc:
        gc.disable()
    try:
        return run(iterations)
    finally:
        sys.settrace(tracer)
        sys.setprofile(profiler)
        if gc_enabled:
            gc.enable()


class BenchmarkOverride:
    """A pytest plugin that overrides pytest-benchmark's fixture. It must be registered after pytest-benchmark."""

    @pytest.fixture
    def benchmark(self, benchmark: Any) -> Any:
        """Return pytest-benchmark's fixture, changed so that the coordinator requests each round."""
        fixture_class: Any = type(benchmark)
        benchmark.__class__ = coordinated_class(fixture_class)
        return benchmark


def warm_up(run: Callable[[int], float], duration_ns: float) -> float:
    """Call a function for about `duration_ns`. Return the median of the later measurements, in nanoseconds per call."""
    call_ns: list[float] = []
    total_ns, iterations = 0.0, 1
    while total_ns < duration_ns or len(call_ns) < 2:
        last_ns = run(iterations) * 1e9
        call_ns.append(last_ns / iterations)
        total_ns += max(last_ns, 1.0)
        if last_ns < duration_ns / 16:
            iterations *= 2
        if total_ns > duration_ns and last_ns > duration_ns:
            break
    return max(statistics.median(call_ns[len(call_ns) // 2 :]), 1.0)
