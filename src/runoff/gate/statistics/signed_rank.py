"""
Wilcoxon's signed-rank test for a small number of blocks: exact p values, estimates and confidence bounds.

Each block contributes one log-ratio. If the code did not change, positive and negative signs are equally likely. The
test statistic is the number of positive Walsh averages (x_i + x_j) / 2 with i ≤ j. Without ties it equals Wilcoxon's
sum of the ranks of the positive values. An average of zero does not count as positive, so ties make the test more
conservative.

Formulas: Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 3rd edition, chapter 3.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]
# Takes a number of blocks and returns the index arrays of all pairs of blocks with i ≤ j.
_block_pairs = cache(np.triu_indices)


@cache
def tail_probabilities(blocks: int) -> Float64Array:
    """
    Return the tail probabilities of the test statistic W for n ≥ 1 blocks of unchanged code.

    Element w is P(W ≥ w), for w = 0 … n(n+1)/2 + 1; the shape is (n(n+1)/2 + 2,), and the last element is 0.
    """
    # W is the sum of a subset of the ranks r = 1 … n. Each sign pattern corresponds to one subset, so the number of
    # patterns with the sum w is the coefficient of x^w in the product of all (1 + x^r).
    counts = np.zeros(blocks * (blocks + 1) // 2 + 1)
    counts[0] = 1.0
    for rank in range(1, blocks + 1):
        counts[rank:] = counts[rank:] + counts[:-rank]
    tail = np.cumsum(counts[::-1])[::-1] / 2.0**blocks
    return np.append(tail, 0.0)


def walsh_averages(log_ratios: Float64Array) -> Float64Array:
    """Return the sorted means of all pairs i ≤ j of blocks. Input shape (…, n), result shape (…, n(n+1)/2)."""
    first, second = _block_pairs(log_ratios.shape[-1])
    return np.sort((log_ratios[..., first] + log_ratios[..., second]) / 2.0, axis=-1)


def hodges_lehmann(log_ratios: Float64Array) -> Float64Array:
    """Estimate the change as the median of the Walsh averages. Input shape (…, n), result shape (…)."""
    averages = walsh_averages(log_ratios)
    count = averages.shape[-1]
    # np.median would sort again.
    return np.asarray((averages[..., (count - 1) // 2] + averages[..., count // 2]) / 2.0)


def p_increase(log_ratios: Float64Array) -> Float64Array:
    """Return exact one-sided p values of "no change" against "slower". Input shape (…, n), result shape (…)."""
    positive = np.count_nonzero(walsh_averages(log_ratios) > 0.0, axis=-1)
    return np.asarray(tail_probabilities(log_ratios.shape[-1])[positive])


def lower_bound(log_ratios: Float64Array, error: float) -> Float64Array:
    """
    Return the one-sided lower confidence bound of the change. Input shape (…, n), result shape (…).

    `error` is the highest probability that the true change is below the bound: 0.05 gives a 95 % bound. The bound is
    minus infinity if there are too few blocks for this error.
    """
    averages = walsh_averages(log_ratios)
    # The smallest number of positive Walsh averages at which p_increase is at most `error`.
    needed = int(np.argmax(tail_probabilities(log_ratios.shape[-1]) <= error))
    if needed > averages.shape[-1]:
        return np.full(averages.shape[:-1], -np.inf)
    return np.asarray(averages[..., averages.shape[-1] - needed])


def upper_bound(log_ratios: Float64Array, error: float) -> Float64Array:
    """Return the one-sided upper confidence bound of the change, with arguments and shapes as in `lower_bound`."""
    return np.asarray(-lower_bound(-log_ratios, error))


def holm(p_values: Float64Array) -> Float64Array:
    """
    Adjust p values, shape (cases,), for testing many cases at once (Holm, 1979). Their order does not change.

    If every case with an adjusted p value of at most α is reported, the probability of any false report is at most α.
    """
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    return np.asarray(adjusted[np.argsort(order)])
