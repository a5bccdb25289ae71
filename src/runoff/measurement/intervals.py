"""
Confidence intervals for the median duration of benchmark rounds, computed with a bootstrap.

Rounds are not independent samples: when the machine changes speed, it stays at the new speed for a while. Resampling
single rounds would give intervals that are far too narrow, so whole blocks of neighbouring rounds are resampled (the
circular block bootstrap: Politis and Romano, 1992). An interval ends at the 2.5 % and 97.5 % quantiles of the resampled
medians. All rounds come from one process, so the intervals do not include differences between processes.
"""

import math
from dataclasses import dataclass

import numpy as np

from runoff.models.mlp import Float64Array

_RESAMPLES = 2_000
_SEED = 20_250_101


@dataclass(frozen=True)
class Interval:
    """An estimate with the two ends of its 95 % confidence interval. All three numbers have the same unit."""

    estimate: float
    low: float
    high: float


def median_interval(rounds: Float64Array) -> Interval:
    """
    Return the median of the durations of all rounds, with its 95 % confidence interval.

    `rounds` contains the durations in the order in which they were measured, shape (rounds,).
    """
    low, high = np.quantile(_resampled_medians(rounds, 0), (0.025, 0.975))
    return Interval(float(np.median(rounds)), float(low), float(high))


def ratio_interval(numerator: Float64Array, denominator: Float64Array) -> Interval:
    """
    Return median(numerator) / median(denominator), with its 95 % confidence interval, for the rounds of two cases.

    Both arguments contain durations in the order in which they were measured, shape (rounds,). The numbers of rounds
    may differ, because the rounds of each case are resampled independently.
    """
    ratios = _resampled_medians(numerator, 1) / _resampled_medians(denominator, 2)
    low, high = np.quantile(ratios, (0.025, 0.975))
    return Interval(float(np.median(numerator) / np.median(denominator)), float(low), float(high))


def _resampled_medians(rounds: Float64Array, stream: int) -> Float64Array:
    """Return the median of each bootstrap resample, shape (_RESAMPLES,). `stream` is a part of the random seed."""
    count = len(rounds)
    # The usual n^(1/3) rounds per block suit short correlations. The machine's speed changes slowly, so use n^(1/2).
    block_length = max(1, math.isqrt(count))
    rng = np.random.default_rng((_SEED, stream))
    starts = rng.integers(0, count, size=(_RESAMPLES, math.ceil(count / block_length)))
    indices = (starts[:, :, None] + np.arange(block_length)) % count
    return np.asarray(np.median(rounds[indices.reshape(_RESAMPLES, -1)[:, :count]], axis=1))
