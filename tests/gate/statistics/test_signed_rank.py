"""The exact signed-rank test agrees with scipy and with direct counting, and its bounds have the promised coverage."""

import itertools

import numpy as np
import pytest
from scipy import stats

from runoff.gate.statistics import signed_rank
from tests.support.gate_noise import lower_confidence

BLOCKS = range(5, 21)


@pytest.mark.parametrize("blocks", BLOCKS)
def test_p_values_equal_those_of_scipy(blocks: int) -> None:
    """The p value decides whether a case is a regression, so it is checked against an independent implementation."""
    values = np.random.default_rng(blocks).normal(0.2, 1.0, (50, blocks))
    expected = stats.wilcoxon(values, alternative="greater", method="exact", axis=1).pvalue
    np.testing.assert_allclose(expected, signed_rank.p_increase(values), rtol=1e-12)


def test_distribution_equals_a_count_of_all_sign_patterns() -> None:
    """Scipy and this implementation might share a mistake, but a direct count of all 2⁷ sign patterns cannot."""
    rank_sums = [sum(rank for rank in range(1, 8) if signs >> rank - 1 & 1) for signs in range(2**7)]
    expected = [sum(rank_sum >= lowest for rank_sum in rank_sums) / 2**7 for lowest in range(30)]
    np.testing.assert_array_equal(expected, signed_rank.tail_probabilities(7))


@pytest.mark.parametrize("blocks", [1, 5, 12, 24])
def test_blocks_of_one_sign_have_the_smallest_p_value(blocks: int) -> None:
    """The gate refuses runs whose smallest possible p value allows no regression, so that p value must be exact."""
    assert 2.0**-blocks == signed_rank.p_increase(np.linspace(0.01, 0.02, blocks))


def test_equal_times_are_no_evidence() -> None:
    """A coarse timer may report equal times for both sides, which must not count as a slowdown."""
    assert signed_rank.p_increase(np.zeros(12)) == 1.0


@pytest.mark.parametrize("blocks", BLOCKS)
def test_bounds_have_their_coverage(blocks: int) -> None:
    """At least 95 % of the bounds must be correct, for every number of blocks and even for heavy-tailed noise."""
    rng = np.random.default_rng(blocks)
    for values in (rng.normal(0.01, 0.02, (4000, blocks)), rng.standard_t(2, (4000, blocks)) * 0.02 + 0.01):
        for wrong in (signed_rank.lower_bound(values, 0.05) > 0.01, signed_rank.upper_bound(values, 0.05) < 0.01):
            # If the bounds are correct, this assertion fails for fewer than one in a million seeds.
            assert 0.05 >= lower_confidence(int(wrong.sum()), 4000, 1 - 1e-6)


@pytest.mark.parametrize("blocks", BLOCKS)
def test_lower_bound_is_positive_exactly_if_the_test_is_significant(blocks: int) -> None:
    """If the interval of a significant regression contained zero, the report would contradict itself."""
    values = np.random.default_rng(blocks).normal(0.01, 0.02, (2000, blocks))
    np.testing.assert_array_equal(signed_rank.p_increase(values) <= 0.05, signed_rank.lower_bound(values, 0.05) > 0)


def test_bounds_of_too_few_blocks_are_infinite() -> None:
    """The smallest p value of four blocks is 1/16, which is above 5 %, so they have no finite 95 % bound."""
    assert -np.inf == signed_rank.lower_bound(np.ones(4), 0.05)
    assert np.inf == signed_rank.upper_bound(np.ones(4), 0.05)


def test_estimate_is_the_median_of_pairwise_means() -> None:
    """The Hodges-Lehmann estimate is defined as the median of all pairwise means, so this test computes it directly."""
    values = [0.3, -0.1, 0.9, 0.2]
    pairs = [(a + b) / 2 for a, b in itertools.combinations_with_replacement(values, 2)]
    assert float(np.median(pairs)) == pytest.approx(float(signed_rank.hodges_lehmann(np.array(values))))


def test_swapped_sides_flip_the_sign_of_estimate_and_bounds() -> None:
    """Neither side may be favoured, so swapping the sides must change only the signs."""
    values = np.random.default_rng(0).normal(0.01, 0.02, 12)
    assert -signed_rank.hodges_lehmann(values) == signed_rank.hodges_lehmann(-values)
    assert -signed_rank.lower_bound(values, 0.05) == signed_rank.upper_bound(-values, 0.05)


def test_holm_adjustment_of_a_worked_example() -> None:
    """Holm's method multiplies the sorted p values by 4, 3, 2 and 1; no result may be smaller than the previous one."""
    np.testing.assert_allclose([0.03, 0.06, 0.06, 0.02], signed_rank.holm(np.array([0.01, 0.04, 0.03, 0.005])))


def test_holm_adjustment_never_exceeds_one() -> None:
    """An adjusted p value is reported as a probability, so it must be at most 1."""
    np.testing.assert_array_equal([1.0, 1.0], signed_rank.holm(np.array([0.9, 0.8])))
