"""
A fixed workload, timed before and after every case. If it takes longer in one run, the machine was slower there.

The workload is half NumPy and half plain Python, similar to a prediction call.
"""

import statistics
import time

import numpy as np

_REPEATS = 7
_ROWS, _COLUMNS = 64, 96


def measure_yardstick() -> float:
    """Time the yardstick workload now. Return the median duration of several repeats (about 1 ms each), in seconds."""
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
