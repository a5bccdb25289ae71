"""The intervals that the tables print must hold what they promise, also for rounds that hang together."""

import numpy as np
import pytest

from runoff.measurement.intervals import median_interval, ratio_interval
from runoff.models.mlp import Float64Array


def _correlated_rounds(rng: np.random.Generator, count: int = 60, memory: float = 0.7) -> Float64Array:
    """Return log-normal rounds around 1 in which each remembers the one before."""
    noise = rng.normal(size=count) * 0.05
    for index in range(1, count):
        noise[index] += memory * noise[index - 1]
    return np.exp(noise)


def _coverage(low_high: list[tuple[float, float]], truth: float) -> float:
    return float(np.mean([low <= truth <= high for low, high in low_high]))


def test_ratio_interval_covers_the_truth_of_correlated_rounds() -> None:
    """Nominal 95 %; blocks of a short series fall somewhat short of it, single rounds fall far short."""
    rng = np.random.default_rng(1)
    intervals = [ratio_interval(2.0 * _correlated_rounds(rng), _correlated_rounds(rng)) for _ in range(200)]
    assert _coverage([(i.low, i.high) for i in intervals], 2.0) > 0.82


def test_resampling_single_rounds_would_not_cover_it() -> None:
    """The reason for blocks: the same rounds without their order look far too certain."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(200):
        rounds = _correlated_rounds(rng)
        singles = np.median(rng.choice(rounds, size=(500, len(rounds))), axis=1)
        found.append((float(np.quantile(singles, 0.025)), float(np.quantile(singles, 0.975))))
    assert _coverage(found, 1.0) < 0.8


def test_swapping_the_sides_turns_the_ratio_over() -> None:
    """Faster by two is slower by two, seen from the other side."""
    rng = np.random.default_rng(2)
    left, right = _correlated_rounds(rng), 3 * _correlated_rounds(rng)
    there, back = ratio_interval(left, right), ratio_interval(right, left)
    assert there.estimate == pytest.approx(1 / back.estimate)


def test_scaling_both_sides_changes_nothing() -> None:
    """Seconds or nanoseconds, the ratio is the same."""
    rng = np.random.default_rng(3)
    left, right = _correlated_rounds(rng), _correlated_rounds(rng)
    seconds, nanoseconds = ratio_interval(left, right), ratio_interval(left * 1e9, right * 1e9)
    assert (seconds.low, seconds.high) == pytest.approx((nanoseconds.low, nanoseconds.high))


def test_one_round_has_an_interval_of_no_width() -> None:
    """`--rounds 1` is allowed and must not break the tables."""
    interval = median_interval(np.array([0.5]))
    assert (0.5, 0.5, 0.5) == (interval.estimate, interval.low, interval.high)
