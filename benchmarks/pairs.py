"""Comparing two ways of doing something on a machine that changes its speed: by turns, in pairs, on one core."""

import os
from collections.abc import Callable

import numpy as np

from runoff.measurement.intervals import Interval, median_interval

Round = Callable[[], float]


def pin_to_one_core() -> str:
    """Pin this process to one core, the last, and return what was done in words."""
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned (this system cannot)"
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return f"pinned to core {core}"


def paired_interval(left: Round, right: Round, pairs: int) -> Interval:
    """
    Compare two rounds taken by turns, the order flipped every time.

    Args:
        left: Takes a round and returns its time.
        right: The same for the other side.
        pairs: How many of each.

    Returns:
        The median of left / right per pair with its 95 % interval over blocks of pairs.
    """
    left(), right()
    ratios = []
    for index in range(pairs):
        if index % 2:
            right_s, left_s = right(), left()
        else:
            left_s, right_s = left(), right()
        ratios.append(left_s / right_s)
    return median_interval(np.array(ratios))


def paired_ratio(left: Round, right: Round, pairs: int) -> str:
    """Return `paired_interval` in words: `1.012× [1.010, 1.014]`."""
    ratio = paired_interval(left, right, pairs)
    return f"{ratio.estimate:.3f}× [{ratio.low:.3f}, {ratio.high:.3f}]"
