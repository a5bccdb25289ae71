"""What the rounds of three sides come to."""

import numpy as np
import pytest

from runoff.gate.run.schedule import typical_log_ratio
from tests.support.gate_noise import Float64Array, SyntheticMachine


def rounds_that_wait() -> Float64Array:
    """Return the log-times of three like sides, whose rounds nothing but cold caches makes slower."""
    still = SyntheticMachine(
        process_spread=0.0, slow_process_probability=0.0, round_spread=0.0, second_speed=0.0, stall_probability=0.0,
        drift_spread=0.0, cold_cache_cost=0.05,
    )  # fmt: skip
    return still.draw_rounds(np.random.default_rng(1), 1).squeeze(0)


@pytest.mark.parametrize("side", [0, 2])
def test_waits_for_others_cancel(side: int) -> None:
    """Cold caches made 4 % between two copies of the same code, in every block."""
    rounds = rounds_that_wait()
    assert abs(np.median(rounds[side] - rounds[1])) > 0.04
    assert float(typical_log_ratio(rounds[side], rounds[1])) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("cycles", [1, 2, 3, 40])
def test_one_stall_does_not_matter(cycles: int) -> None:
    """A round that took twice as long says nothing of the code."""
    rounds = np.zeros((3, 6 * cycles))
    rounds[0, 2] = np.log(2.0)
    assert float(typical_log_ratio(rounds[0], rounds[1])) == pytest.approx(0.0)


def test_slowdown_is_what_it_is() -> None:
    """In whatever order rounds came."""
    rounds = rounds_that_wait()
    assert float(typical_log_ratio(rounds[0] + 0.1, rounds[1])) == pytest.approx(0.1)
