"""Interleaved rounds: the effects of waits, stalls and drift must not look like a difference of the sides."""

import numpy as np
import pytest

from runoff.gate.run.schedule import typical_log_ratio
from tests.support.gate_noise import Float64Array, SyntheticMachine


def rounds_with_cold_caches() -> Float64Array:
    """Return the log-times of three equal sides whose only noise is that longer waits cool their caches."""
    machine = SyntheticMachine(
        process_spread=0.0, slow_process_probability=0.0, round_spread=0.0, second_speed=0.0, stall_probability=0.0,
        drift_spread=0.0, cold_cache_cost=0.05,
    )  # fmt: skip
    return machine.draw_rounds(np.random.default_rng(1), 1).squeeze(0)


@pytest.mark.parametrize("side", [0, 2])
def test_effects_of_waits_cancel(side: int) -> None:
    """Cold caches once made two copies of the same code differ by 4 % in every block."""
    rounds = rounds_with_cold_caches()
    assert abs(np.median(rounds[side] - rounds[1])) > 0.04
    assert float(typical_log_ratio(rounds[side], rounds[1])) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("cycles", [1, 2, 3, 40])
def test_one_stalled_round_changes_nothing(cycles: int) -> None:
    """A round that another process interrupts takes twice as long, and contains no information about the code."""
    rounds = np.zeros((3, 6 * cycles))
    rounds[0, 2] = np.log(2.0)
    assert float(typical_log_ratio(rounds[0], rounds[1])) == pytest.approx(0.0)


def test_uniform_slowdown_is_measured_exactly() -> None:
    """Correcting for waits must not shrink a real difference."""
    rounds = rounds_with_cold_caches()
    assert float(typical_log_ratio(rounds[0] + 0.1, rounds[1])) == pytest.approx(0.1)
