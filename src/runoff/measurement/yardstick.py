"""
A fixed piece of work, timed beside every case: when it takes longer, the machine is slower, not the model.

Half of it is NumPy, half plain Python, as the cases are.
"""

import statistics
import time

import numpy as np

_REPEATS = 7
_ROWS, _COLUMNS = 64, 96


def measure_yardstick() -> float:
    """Return how long the yardstick's work takes now: the median of a few repeats of about 1 ms, in seconds."""
    left = np.full((_ROWS, _COLUMNS), 0.5, dtype=np.float32)
    right = np.full((_COLUMNS, _ROWS), 0.25, dtype=np.float32)
    durations_s = []
    for _ in range(_REPEATS):
        start = time.perf_counter_ns()
        for _ in range(25):
            left @ right
        total = 0
        for number in range(10_000):
            total += number & 7
        durations_s.append((time.perf_counter_ns() - start) * 1e-9)
    return statistics.median(durations_s)
