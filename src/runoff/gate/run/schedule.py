"""Whose round comes when, how long rounds last, and what they come to."""

import math
from dataclasses import dataclass

import numpy as np

from runoff.gate.run.workers import BASELINE, CANDIDATE, NULL
from runoff.gate.statistics.signed_rank import Float64Array

# Each side first, in the middle and last equally often; each palindrome cancels what drifts. Over the three, a cycle,
# each side waits equally often for any number of others: the shorter the wait, the warmer the caches.
TURNS = (
    (CANDIDATE, BASELINE, NULL, NULL, BASELINE, CANDIDATE),
    (BASELINE, NULL, CANDIDATE, CANDIDATE, NULL, BASELINE),
    (NULL, CANDIDATE, BASELINE, BASELINE, CANDIDATE, NULL),
)
# Six rounds a side each. On a shared machine rounds of 0.3 ms differ from their neighbours as much as rounds of 8 ms,
# by tens of per cent: the spread of a block falls with the number of its rounds, not with their length. 24 rounds of
# 2.5 ms had 5 %, 240 of a tenth of that 2 %. On a quiet one it comes from the processes, and neither matters.
MOST_CYCLES = 40


@dataclass(frozen=True)
class RoundLengths:
    """
    How long things are run; nanoseconds.

    Attributes:
        round_ns: A round lasts about as long.
        warm_ns: Each side's warm-up right before its rounds.
        case_ns: No further cycle of a case is begun in a block after so long.
    """

    round_ns: float = 0.25e6
    warm_ns: float = 10e6
    case_ns: float = 0.6e9

    def calls(self, call_ns: float) -> int:
        """Return how many calls make a round."""
        return max(1, math.ceil(self.round_ns / call_ns))


def typical_log_ratio(log_times: Float64Array, reference: Float64Array) -> Float64Array:
    """
    Return how two sides' rounds compare, the first with the first, the second with the second, and so on.

    The pairs of a cycle are six kinds, by the waits before their rounds. Per kind the median over cycles is taken, then
    the mean of the six, in which the waits cancel. In the median of all pairs they would not: in four of the six kinds
    the same side waits longer. Of large messages, for which caches count, that made 4 % between two copies of the same
    code, the same in every block. With fewer than three cycles it is that median after all: rounds are then so long
    that no cache matters, and one stall would spoil the mean.

    Args:
        log_times: Logarithms of one side's rounds in the order they were run, whole cycles; shape (…, rounds).
        reference: The other side's, of the same shape.

    Returns:
        The log-ratio, shape (…).
    """
    pairs = log_times - reference
    cycles = pairs.reshape(*pairs.shape[:-1], -1, 2 * len(TURNS))
    if cycles.shape[-2] < 3:
        return np.asarray(np.median(pairs, axis=-1), dtype=np.float64)
    return np.asarray(np.median(cycles, axis=-2).mean(axis=-1), dtype=np.float64)
