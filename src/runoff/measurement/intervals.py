"""
Confidence intervals from correlated rounds.

Rounds of one process are no independent samples: the machine changes speed and stays there for a while. Resampling
single rounds would give intervals far too narrow, so whole blocks of neighbouring rounds are resampled (the circular
block bootstrap: Politis and Romano, 1992).
"""

import math
from dataclasses import dataclass

import numpy as np

from runoff.models.mlp import Float64Array

_RESAMPLES = 2_000
_SEED = 20_250_101


@dataclass(frozen=True)
class Interval:
    """
    An estimate with its 95 % confidence interval, all in one unit.

    Attributes:
        estimate: The number itself.
        low: Lower end.
        high: Upper end.
    """

    estimate: float
    low: float
    high: float


def median_interval(rounds: Float64Array) -> Interval:
    """
    Estimate the median of rounds.

    Args:
        rounds: Durations in the order they were taken, shape (rounds,).

    Returns:
        The median with its interval, in the unit of `rounds`.
    """
    low, high = np.quantile(_resampled_medians(rounds, 0), (0.025, 0.975))
    return Interval(float(np.median(rounds)), float(low), float(high))


def ratio_interval(numerator: Float64Array, denominator: Float64Array) -> Interval:
    """
    Estimate the ratio of two medians whose rounds were taken apart from each other.

    Args:
        numerator: Durations in the order they were taken, shape (rounds,).
        denominator: As `numerator`; the number of rounds may differ.

    Returns:
        median(numerator) / median(denominator) with its interval.
    """
    ratios = _resampled_medians(numerator, 1) / _resampled_medians(denominator, 2)
    low, high = np.quantile(ratios, (0.025, 0.975))
    return Interval(float(np.median(numerator) / np.median(denominator)), float(low), float(high))


def _resampled_medians(rounds: Float64Array, stream: int) -> Float64Array:
    """Return medians of resamples made of whole blocks of neighbouring rounds, shape (resamples,)."""
    count = len(rounds)
    # n^(1/2) blocks of n^(1/2) rounds: longer than the n^(1/3) that is best for short memory, because ours is long.
    length = max(1, math.isqrt(count))
    rng = np.random.default_rng((_SEED, stream))
    starts = rng.integers(0, count, size=(_RESAMPLES, math.ceil(count / length)))
    indices = (starts[:, :, None] + np.arange(length)) % count
    return np.asarray(np.median(rounds[indices.reshape(_RESAMPLES, -1)[:, :count]], axis=1))
