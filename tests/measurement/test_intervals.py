"""Confidence intervals of 95 % contain the true value almost that often, even if successive rounds are correlated."""

import numpy as np
import pytest

from runoff.measurement.intervals import median_interval, ratio_interval
from runoff.models.mlp import Float64Array


def _correlated_rounds(rng: np.random.Generator, count: int = 60, memory: float = 0.7) -> Float64Array:
    """Return log-normal durations with a median of about 1, where each is correlated with the previous one."""
    noise = rng.normal(size=count) * 0.05
    for index in range(1, count):
        noise[index] += memory * noise[index - 1]
    return np.exp(noise)


def _coverage(low_high: list[tuple[float, float]], truth: float) -> float:
    return float(np.mean([low <= truth <= high for low, high in low_high]))


def test_ratio_interval_covers_the_truth_of_correlated_rounds() -> None:
    """For 60 correlated rounds, fewer than the nominal 95 % of intervals contain the true ratio; 82 % must do so."""
    rng = np.random.default_rng(1)
    intervals = [ratio_interval(2.0 * _correlated_rounds(rng), _correlated_rounds(rng)) for _ in range(200)]
    assert _coverage([(i.low, i.high) for i in intervals], 2.0) > 0.82


def test_resampling_single_rounds_covers_the_truth_less_often() -> None:
    """Resampling single rounds ignores correlation and gives too narrow intervals, so runoff resamples blocks."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(200):
        rounds = _correlated_rounds(rng)
        singles = np.median(rng.choice(rounds, size=(500, len(rounds))), axis=1)
        found.append((float(np.quantile(singles, 0.025)), float(np.quantile(singles, 0.975))))
    assert _coverage(found, 1.0) < 0.8


def test_swapping_the_sides_inverts_the_ratio() -> None:
    """If A takes 3 times as long as B, B must take 1/3 of A's time, so swapping A and B must invert the ratio."""
    rng = np.random.default_rng(2)
    left, right = _correlated_rounds(rng), 3 * _correlated_rounds(rng)
    there, back = ratio_interval(left, right), ratio_interval(right, left)
    assert there.estimate == pytest.approx(1 / back.estimate)


def test_ratio_does_not_depend_on_the_unit() -> None:
    """Changing the unit from seconds to nanoseconds must not change the ratio of two durations."""
    rng = np.random.default_rng(3)
    left, right = _correlated_rounds(rng), _correlated_rounds(rng)
    seconds, nanoseconds = ratio_interval(left, right), ratio_interval(left * 1e9, right * 1e9)
    assert (seconds.low, seconds.high) == pytest.approx((nanoseconds.low, nanoseconds.high))


def test_interval_of_a_single_round_has_width_zero() -> None:
    """`--rounds 1` is allowed, so computing the interval of a single round must not raise an error."""
    interval = median_interval(np.array([0.5]))
    assert (0.5, 0.5, 0.5) == (interval.estimate, interval.low, interval.high)
