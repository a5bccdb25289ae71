"""
The exact signed-rank distribution, and what follows from it: estimates, bounds and p values of a few blocks.

A block's number is a log-ratio; under "no change" its sign is as likely plus as minus. The statistic is the number of
positive Walsh averages (x_i + x_j) / 2, i ≤ j, which without ties is Wilcoxon's sum of the ranks of the positive
values; a zero counts against the claim, so ties make the test more careful, never less. Formulas: Hollander, Wolfe and
Chicken, Nonparametric Statistical Methods, 3rd edition, chapter 3.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]


@cache
def tail_probabilities(blocks: int) -> Float64Array:
    """
    Return the chance that the statistic is at least w if nothing has changed.

    Args:
        blocks: Number of blocks n, at least 1.

    Returns:
        P(W ≥ w) for w = 0 … n(n+1)/2 + 1, the last one 0; shape (n(n+1)/2 + 2,).
    """
    # Each rank r is positive or not: the counts are the coefficients of the product of (1 + x^r).
    counts = np.zeros(blocks * (blocks + 1) // 2 + 1)
    counts[0] = 1.0
    for rank in range(1, blocks + 1):
        counts[rank:] = counts[rank:] + counts[:-rank]
    tail = np.cumsum(counts[::-1])[::-1] / 2.0**blocks
    return np.append(tail, 0.0)


def smallest_p(blocks: int) -> float:
    """Return the smallest one-sided p that so many blocks can give: all of one sign."""
    return 2.0**-blocks


@cache
def _pairs(blocks: int) -> Any:
    """Return the indices of all pairs of blocks."""
    return np.triu_indices(blocks)


def walsh_averages(log_ratios: Float64Array) -> Float64Array:
    """Return the sorted means of all pairs of blocks, each with itself too; shape (…, n) to (…, n(n+1)/2)."""
    first, second = _pairs(log_ratios.shape[-1])
    return np.sort((log_ratios[..., first] + log_ratios[..., second]) / 2.0, axis=-1)


def hodges_lehmann(log_ratios: Float64Array) -> Float64Array:
    """Return the median of the Walsh averages: the estimate of the change; shape (…, n) to (…)."""
    averages = walsh_averages(log_ratios)
    count = averages.shape[-1]
    # The median of what is sorted already.
    return np.asarray((averages[..., (count - 1) // 2] + averages[..., count // 2]) / 2.0)


def p_increase(log_ratios: Float64Array) -> Float64Array:
    """
    Test "no change" against "more".

    Args:
        log_ratios: Blocks, shape (…, n).

    Returns:
        Exact one-sided p, shape (…).
    """
    positive = np.count_nonzero(walsh_averages(log_ratios) > 0.0, axis=-1)
    return np.asarray(tail_probabilities(log_ratios.shape[-1])[positive])


def lower_bound(log_ratios: Float64Array, error: float) -> Float64Array:
    """
    Bound the change from below.

    Args:
        log_ratios: Blocks, shape (…, n).
        error: Chance that the change is less, at most: 0.05 for a bound at 95 %.

    Returns:
        The bound, shape (…); minus infinity where so few blocks can give none.
    """
    averages = walsh_averages(log_ratios)
    # The smallest count of positive averages that would be called an increase at this error.
    needed = int(np.argmax(tail_probabilities(log_ratios.shape[-1]) <= error))
    if needed > averages.shape[-1]:
        return np.full(averages.shape[:-1], -np.inf)
    return np.asarray(averages[..., averages.shape[-1] - needed])


def upper_bound(log_ratios: Float64Array, error: float) -> Float64Array:
    """Bound the change from above; as `lower_bound`, mirrored."""
    return np.asarray(-lower_bound(-log_ratios, error))


def holm(p_values: Float64Array) -> Float64Array:
    """
    Adjust p values for having been asked together.

    Args:
        p_values: One per case, shape (cases,).

    Returns:
        Adjusted ones in the same order: rejecting those ≤ α is wrong anywhere with a chance of at most α. Holm, 1979.
    """
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    adjusted: Any = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    return np.asarray(adjusted)
