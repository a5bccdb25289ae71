"""The order and the length of rounds, and the comparison of the round durations of two sides."""

import math
from dataclasses import dataclass

import numpy as np

from runoff.gate.run.workers import BASELINE, CANDIDATE, NULL
from runoff.gate.statistics.signed_rank import Float64Array

# The order of the sides in one cycle of rounds. Each row is a palindrome, which cancels linear drift. Each side is
# first, middle and last equally often. Caches are warmer after a short wait, so each side must also wait equally often
# for 0, 1, 2, 3 and 4 rounds of the other sides.
TURNS = (
    (CANDIDATE, BASELINE, NULL, NULL, BASELINE, CANDIDATE),
    (BASELINE, NULL, CANDIDATE, CANDIDATE, NULL, BASELINE),
    (NULL, CANDIDATE, BASELINE, BASELINE, CANDIDATE, NULL),
)
# Many short rounds are better than few long ones. On a shared machine, neighbouring rounds differ by tens of per cent,
# whether they last 0.3 ms or 8 ms. More rounds therefore make a block more precise: its result varies by 5 % with 24
# rounds of 2.5 ms, but by 2 % with 240 rounds of 0.25 ms. On a quiet machine, more rounds help less, because times
# differ more between processes than between rounds. 40 cycles of six rounds per side are 240 rounds.
MOST_CYCLES = 40


@dataclass(frozen=True)
class RoundLengths:
    """
    Target durations within a block, in nanoseconds.

    Attributes:
        round_ns: Duration of a round.
        warm_ns: Duration of each side's warm-up before its rounds.
        case_ns: Time after which no further cycle of a case starts in this block.
    """

    round_ns: float = 0.25e6
    warm_ns: float = 10e6
    case_ns: float = 0.6e9

    def iterations(self, call_ns: float) -> int:
        """Return the number of iterations in a round, at least 1, for a benchmark that takes `call_ns` per call."""
        return max(1, math.ceil(self.round_ns / call_ns))


def typical_log_ratio(log_times: Float64Array, reference: Float64Array) -> Float64Array:
    """
    Return the typical log-ratio of two sides' round durations. The n-th rounds of both sides form a pair.

    A cycle has six kinds of pairs, which differ in how long the two sides waited before their rounds. This function
    takes the median over cycles within each kind, then the mean of the six medians, in which the effects of the waits
    cancel. They would not cancel in the median of all pairs, because the same side waits longer in four of the six
    kinds: for large messages, whose speed depends on caches, that median differed by 4 % between two copies of the same
    code in every block. With fewer than three cycles, this function returns the median of all pairs anyway: such rounds
    are too long for caches to matter, and a single stalled round would spoil the mean.

    Both arguments are logarithms of one side's round durations in the order of measurement, in whole cycles, shape
    (…, rounds). The result, shape (…), is positive if `log_times` are larger than `reference`.
    """
    pairs = log_times - reference
    cycles = pairs.reshape(*pairs.shape[:-1], -1, 2 * len(TURNS))
    if cycles.shape[-2] < 3:
        return np.asarray(np.median(pairs, axis=-1), dtype=np.float64)
    return np.asarray(np.median(cycles, axis=-2).mean(axis=-1), dtype=np.float64)
