"""Comparison of interleaved rounds: waits and stalls must not look like a difference between the sides."""

import numpy as np
import pytest

from runoff.gate.run.schedule import typical_log_ratio
from tests.support.gate_noise import Float64Array, SyntheticMachine


def rounds_with_cold_caches() -> Float64Array:
    """Return simulated log-times of three sides with equal code. Their only noise is that caches cool during waits."""
    machine = SyntheticMachine(
        process_spread=0.0, slow_process_probability=0.0, round_spread=0.0, second_speed=0.0, stall_probability=0.0,
        drift_spread=0.0, cold_cache_cost=0.05,
    )  # fmt: skip
    return machine.draw_rounds(np.random.default_rng(1), 1).squeeze(0)


@pytest.mark.parametrize("side", [0, 2])
def test_effects_of_waits_cancel(side: int) -> None:
    """A side's caches get cold while it waits. The plain median of the pairs turns this into a difference of 4 %."""
    rounds = rounds_with_cold_caches()
    assert abs(np.median(rounds[side] - rounds[1])) > 0.04
    assert float(typical_log_ratio(rounds[side], rounds[1])) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("cycles", [1, 2, 3, 40])
def test_one_stalled_round_changes_nothing(cycles: int) -> None:
    """A round that another process interrupts may take twice as long. This must not look like slower code."""
    rounds = np.zeros((3, 6 * cycles))
    rounds[0, 2] = np.log(2.0)
    assert float(typical_log_ratio(rounds[0], rounds[1])) == pytest.approx(0.0)


def test_uniform_slowdown_is_measured_exactly() -> None:
    """The correction for waits must not change a real difference between the sides."""
    rounds = rounds_with_cold_caches()
    assert float(typical_log_ratio(rounds[0] + 0.1, rounds[1])) == pytest.approx(0.1)
