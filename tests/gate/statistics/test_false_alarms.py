"""The gate gated: how often it is wrong, on made-up noise and on recorded noise, with fixed seeds."""

import pytest

from runoff.gate.statistics.plan import Plan
from tests.support.gate_noise import (
    MACHINES,
    RECORDED,
    Recording,
    Source,
    lower_confidence,
    naive_alarms,
    run_gates,
    upper_confidence,
)

needs_recording = pytest.mark.skipif(
    not RECORDED.is_dir(), reason="the recorded noise does not lie beside the checkout"
)
CORES = ("lockstep_pinned_core0", "lockstep_pinned_core1")
SOURCES = [
    pytest.param(MACHINES["usual"], id="made-up"),
    pytest.param(Recording(CORES), id="recorded", marks=needs_recording),
    pytest.param(Recording(CORES[:1], ("b1",)), id="recorded-worst", marks=needs_recording),
    pytest.param(MACHINES["cold"], id="made-up-cold"),
]


@pytest.mark.parametrize("source", SOURCES)
def test_false_alarms_are_rarer_than_alpha(source: Source) -> None:
    """Per whole run of 24 cases, not per case: a gate that cries wolf every third day is switched off."""
    outcome = run_gates(source, 2000)
    assert Plan().alpha >= upper_confidence(outcome.false_alarms, outcome.runs)
    assert 0.01 >= upper_confidence(outcome.invalid, outcome.runs)


def test_false_alarms_stay_rare_on_a_machine_too_noisy_to_judge() -> None:
    """Unpinned or crowded, it may say that it cannot tell; it may not say what is not so."""
    outcome = run_gates(MACHINES["noisy"], 400, seed=2)
    assert 0.02 >= upper_confidence(outcome.false_alarms, outcome.runs)


def test_usual_judgement_fails_on_the_same_noise() -> None:
    """The harness can show a bad gate: sides measured apart, rounds pooled, as is usual."""
    assert 0.5 <= lower_confidence(naive_alarms(MACHINES["usual"], 100), 100)


@pytest.mark.parametrize(
    ("source", "slowdown", "least"),
    [
        pytest.param(MACHINES["usual"], 0.05, 0.90, id="made-up-5%"),
        pytest.param(MACHINES["usual"], 0.10, 0.98, id="made-up-10%"),
        pytest.param(Recording(CORES), 0.05, 0.93, id="recorded-5%", marks=needs_recording),
        pytest.param(Recording(CORES), 0.10, 0.99, id="recorded-10%", marks=needs_recording),
        pytest.param(Recording(CORES[:1], ("b1",)), 0.05, 0.80, id="recorded-worst-5%", marks=needs_recording),
        pytest.param(Recording(CORES[:1], ("b1",)), 0.10, 0.96, id="recorded-worst-10%", marks=needs_recording),
    ],
)
def test_slowdown_is_found(source: Source, slowdown: float, least: float) -> None:
    """Never crying at all would pass every test above."""
    outcome = run_gates(source, 200, slowdown=slowdown, slowed=3)
    assert least <= lower_confidence(outcome.found, outcome.slowed)
    assert 0.02 >= lower_confidence(outcome.false_alarms, outcome.runs)


@pytest.mark.parametrize("source", SOURCES[:2])
def test_slowdown_of_just_the_tolerance_is_a_toss_up(source: Source) -> None:
    """It is a tolerance: at it about half are named; far more would mean that less is not tolerated."""
    outcome = run_gates(source, 200, slowdown=0.03, slowed=3)
    assert 0.35 <= outcome.found / outcome.slowed <= 0.65


@needs_recording
def test_few_cases_need_a_second_look() -> None:
    """The second stage is what costs time: about 2 of 24 on the recorded machine."""
    outcome = run_gates(Recording(CORES), 300)
    assert 4.0 >= outcome.second_looks / outcome.runs
