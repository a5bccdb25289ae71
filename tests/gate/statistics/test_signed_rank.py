"""The exact statistics, held against scipy, against counting, and against what they promise."""

import itertools

import numpy as np
import pytest
from scipy import stats

from runoff.gate.statistics import signed_rank
from tests.support.gate_noise import lower_confidence

BLOCKS = range(5, 21)


@pytest.mark.parametrize("blocks", BLOCKS)
def test_p_value_is_scipys(blocks: int) -> None:
    """The verdict hangs on it."""
    values = np.random.default_rng(blocks).normal(0.2, 1.0, (50, blocks))
    expected = stats.wilcoxon(values, alternative="greater", method="exact", axis=1).pvalue
    np.testing.assert_allclose(expected, signed_rank.p_increase(values), rtol=1e-12)


def test_distribution_is_what_counting_all_signs_gives() -> None:
    """Scipy could be wrong with us; 2⁷ sign patterns cannot."""
    sums = [sum(rank for rank in range(1, 8) if signs >> rank - 1 & 1) for signs in range(2**7)]
    expected = [sum(found >= wanted for found in sums) / 2**7 for wanted in range(30)]
    np.testing.assert_array_equal(expected, signed_rank.tail_probabilities(7))


@pytest.mark.parametrize("blocks", [1, 5, 12, 24])
def test_smallest_p_is_reached_by_blocks_of_one_sign(blocks: int) -> None:
    """Feasibility is judged by this number."""
    assert signed_rank.smallest_p(blocks) == signed_rank.p_increase(np.linspace(0.01, 0.02, blocks))


def test_blocks_that_did_not_move_are_no_evidence() -> None:
    """Equal times, as a coarse timer gives them, must not count as slower."""
    assert signed_rank.p_increase(np.zeros(12)) == 1.0


@pytest.mark.parametrize("blocks", BLOCKS)
def test_bounds_hold_as_often_as_they_say(blocks: int) -> None:
    """Coverage for every number of blocks, on noise with heavy tails too: no fewer than 95 of 100 bounds are right."""
    rng = np.random.default_rng(blocks)
    for values in (rng.normal(0.01, 0.02, (4000, blocks)), rng.standard_t(2, (4000, blocks)) * 0.02 + 0.01):
        for wrong in (signed_rank.lower_bound(values, 0.05) > 0.01, signed_rank.upper_bound(values, 0.05) < 0.01):
            assert 0.05 >= lower_confidence(int(wrong.sum()), 4000, 0.999)


@pytest.mark.parametrize("blocks", BLOCKS)
def test_bounds_are_no_wider_than_the_exact_test(blocks: int) -> None:
    """A bound below zero for a p that is small enough would contradict itself in one line of the report."""
    values = np.random.default_rng(blocks).normal(0.01, 0.02, (2000, blocks))
    np.testing.assert_array_equal(signed_rank.p_increase(values) <= 0.05, signed_rank.lower_bound(values, 0.05) > 0)


def test_bound_that_so_few_blocks_cannot_give_is_infinite() -> None:
    """Four blocks reach 1/16 at best."""
    assert -np.inf == signed_rank.lower_bound(np.ones(4), 0.05)
    assert np.inf == signed_rank.upper_bound(np.ones(4), 0.05)


def test_estimate_is_the_median_of_pairwise_means() -> None:
    """Hodges and Lehmann's, counted out by hand."""
    values = [0.3, -0.1, 0.9, 0.2]
    pairs = [(a + b) / 2 for a, b in itertools.combinations_with_replacement(values, 2)]
    assert float(np.median(pairs)) == pytest.approx(float(signed_rank.hodges_lehmann(np.array(values))))


def test_swapping_the_sides_flips_the_sign_of_everything() -> None:
    """The verdict may not depend on which side is called the baseline."""
    values = np.random.default_rng(0).normal(0.01, 0.02, 12)
    assert -signed_rank.hodges_lehmann(values) == signed_rank.hodges_lehmann(-values)
    assert -signed_rank.lower_bound(values, 0.05) == signed_rank.upper_bound(-values, 0.05)


def test_holm_adjusts_as_published() -> None:
    """Worked example: 0.01, 0.04, 0.03, 0.005 become 0.03, 0.06, 0.06, 0.02."""
    np.testing.assert_allclose([0.03, 0.06, 0.06, 0.02], signed_rank.holm(np.array([0.01, 0.04, 0.03, 0.005])))


def test_holm_never_exceeds_one() -> None:
    """It is a probability."""
    np.testing.assert_array_equal([1.0, 1.0], signed_rank.holm(np.array([0.9, 0.8])))
