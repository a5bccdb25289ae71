"""
Compare the speed of two functions on a machine whose own speed changes, by alternating their rounds on one core.

The two rounds of a pair follow each other directly, so that a change of the machine's speed affects both equally.
"""

import os
from collections.abc import Callable

import numpy as np

from runoff.measurement.intervals import Interval, median_interval

Round = Callable[[], float]


def pin_to_one_core() -> str:
    """Pin this process to the last core if the system allows it; return a description such as "pinned to core 1"."""
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned (not supported on this system)"
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return f"pinned to core {core}"


def paired_interval(left: Round, right: Round, pairs: int) -> Interval:
    """
    Run rounds of two functions alternately and compare their times; the order changes with every pair.

    Args:
        left: Runs a round and returns its time in seconds.
        right: Runs a round of the function to compare with and returns its time in seconds.
        pairs: Number of pairs of rounds.

    Returns:
        The median over pairs of left / right, with its 95 % interval from resampled blocks of pairs.
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
    """Return the result of `paired_interval` as text, for example `1.012× [1.010, 1.014]`."""
    ratio = paired_interval(left, right, pairs)
    return f"{ratio.estimate:.3f}× [{ratio.low:.3f}, {ratio.high:.3f}]"
