"""
Simulated gate runs with fixed seeds: how often is the gate wrong, and which slowdowns does it find?

Every bound is chosen so that correct code would fail with a probability of about one in a million under another seed.
`./run_tests.sh` simulates a tenth of the runs; RUNOFF_FULL_TESTS=1 simulates all of them.
"""

import pytest

from runoff.gate.statistics.plan import Plan
from tests.support.gate_noise import (
    MACHINES,
    RECORDINGS_FOLDER,
    BlockSource,
    Recording,
    count_naive_alarms,
    lower_confidence,
    simulate_gates,
    upper_confidence,
)
from tests.support.test_size import FULL_SIZE, scaled

ALMOST_CERTAIN = 1 - 1e-6
needs_recording = pytest.mark.skipif(
    not RECORDINGS_FOLDER.is_dir(), reason=f"needs the recorded timing noise in {RECORDINGS_FOLDER}"
)
CORES = ("lockstep_pinned_core0", "lockstep_pinned_core1")
WORST_RECORDING = Recording(CORES[:1], ("b1",))
SOURCES = [
    pytest.param(MACHINES["usual"], id="synthetic"),
    pytest.param(Recording(CORES), id="recorded", marks=needs_recording),
    pytest.param(WORST_RECORDING, id="recorded-worst", marks=needs_recording),
    pytest.param(MACHINES["cold"], id="synthetic-cold"),
]


def assert_rate_at_most(highest: float, count: int, total: int) -> None:
    """Fail if `count` of `total` is so large that the true rate is almost certainly above `highest`."""
    assert highest >= lower_confidence(count, total, ALMOST_CERTAIN)


def assert_rate_at_least(lowest: float, count: int, total: int) -> None:
    """Fail if `count` of `total` is so small that the true rate is almost certainly below `lowest`."""
    assert lowest <= upper_confidence(count, total, ALMOST_CERTAIN)


@pytest.mark.parametrize("source", SOURCES)
def test_false_alarms_are_rarer_than_alpha(source: BlockSource) -> None:
    """Users switch off a gate that often fails for no reason, so the limit applies to a whole run of 24 cases."""
    counts = simulate_gates(source, scaled(2000))
    # With a different seed, 6,000 runs per noise source had no false alarm and at most 2 runs with an invalid case.
    assert_rate_at_most(0.002, counts.false_alarm_runs, counts.runs)
    assert_rate_at_most(0.002, counts.invalid_runs, counts.runs)
    if FULL_SIZE:
        # Fewer runs are not enough: even 200 runs without any false alarm do not prove a rate below 1 %.
        assert Plan().alpha >= upper_confidence(counts.false_alarm_runs, counts.runs)
        assert Plan().alpha >= upper_confidence(counts.invalid_runs, counts.runs)


def test_false_alarms_stay_rare_on_a_machine_too_noisy_to_judge() -> None:
    """On a very noisy machine, many cases may be inconclusive, but false alarms must stay rare."""
    counts = simulate_gates(MACHINES["noisy"], scaled(400), seed=2)
    assert_rate_at_most(Plan().alpha, counts.false_alarm_runs, counts.runs)


def test_naive_comparison_gives_false_alarms_on_the_same_noise() -> None:
    """The tests for false alarms prove something only if the simulated noise is able to mislead a naive comparison."""
    runs = scaled(100)
    assert runs / 2 <= count_naive_alarms(MACHINES["usual"], runs)


@pytest.mark.parametrize(
    ("source", "slowdown", "lowest_rate"),
    [
        pytest.param(MACHINES["usual"], 0.05, 0.95, id="synthetic-5%"),
        pytest.param(MACHINES["usual"], 0.10, 0.99, id="synthetic-10%"),
        pytest.param(Recording(CORES), 0.05, 0.95, id="recorded-5%", marks=needs_recording),
        pytest.param(Recording(CORES), 0.10, 0.99, id="recorded-10%", marks=needs_recording),
        pytest.param(WORST_RECORDING, 0.05, 0.83, id="recorded-worst-5%", marks=needs_recording),
        pytest.param(WORST_RECORDING, 0.10, 0.98, id="recorded-worst-10%", marks=needs_recording),
    ],
)
def test_slowdown_is_found(source: BlockSource, slowdown: float, lowest_rate: float) -> None:
    """A gate that never reported a regression would pass the tests for false alarms, so it must also find slowdowns."""
    counts = simulate_gates(source, scaled(200), slowdown=slowdown, slowed=3)
    assert_rate_at_least(lowest_rate, counts.found_cases, counts.slowed_cases)
    assert_rate_at_most(Plan().alpha, counts.false_alarm_runs, counts.runs)


@pytest.mark.parametrize("source", SOURCES[:2])
def test_slowdown_of_exactly_the_tolerance_is_found_half_the_time(source: BlockSource) -> None:
    """If slowdowns equal to the tolerance were always found, the gate would report slowdowns below it as well."""
    counts = simulate_gates(source, scaled(200), slowdown=0.03, slowed=3)
    assert_rate_at_least(0.4, counts.found_cases, counts.slowed_cases)
    assert_rate_at_most(0.6, counts.found_cases, counts.slowed_cases)


@needs_recording
def test_few_unchanged_cases_need_the_second_stage() -> None:
    """The second stage is slow, so few unchanged cases may need it. With the recorded noise, about 2 of 24 do."""
    counts = simulate_gates(Recording(CORES), scaled(300))
    assert 4.0 >= counts.second_stage_cases / counts.runs
