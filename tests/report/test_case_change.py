"""The change of a case's latency between two runs: which records are paired, and when intervals confirm a change."""

from typing import Any

import pytest

from runoff.report.case_change import pair_cases
from tests.support.records import case_record

INTERVAL: dict[str, Any] = {"latency_low_s_per_batch": 0.9e-3, "latency_high_s_per_batch": 1.1e-3}


def test_yardstick_change_is_taken_out() -> None:
    """If the machine runs at half its earlier speed and a case takes twice as long, the code has not become slower."""
    slow = case_record(latency_s=2e-3, yardstick_before_s=2e-3, yardstick_after_s=2e-3)
    [change] = pair_cases([slow], [case_record()])
    assert change.change_without_machine == pytest.approx(0.0)
    assert not change.is_beyond_intervals


@pytest.mark.parametrize(
    ("low_s", "high_s", "expected"),
    [
        pytest.param(1.05e-3, 1.2e-3, False, id="overlap"),
        pytest.param(1.15e-3, 1.2e-3, True, id="slower"),
        pytest.param(0.8e-3, 0.85e-3, True, id="faster"),
    ],
)
def test_change_is_beyond_intervals_only_where_they_stay_apart(low_s: float, high_s: float, expected: bool) -> None:
    """If the intervals overlap, the difference may be chance, so it must not be reported as a change."""
    now = case_record(latency_s=(low_s + high_s) / 2, latency_low_s_per_batch=low_s, latency_high_s_per_batch=high_s)
    [change] = pair_cases([now], [case_record(**INTERVAL)])
    assert expected == change.is_beyond_intervals


def test_interval_of_a_change_combines_those_of_both_runs() -> None:
    """Independent errors add in quadrature on a log scale, so two factors of 1.1 combine to 1.1 to the power of √2."""
    record = case_record(**(INTERVAL | {"latency_low_s_per_batch": 1e-3 / 1.1}))
    [change] = pair_cases([record], [record])
    assert change.interval.high == pytest.approx(1.1**2**0.5 - 1)
    assert change.interval.low == pytest.approx(1.1 ** -(2**0.5) - 1)


@pytest.mark.parametrize(
    "change",
    [
        {"model_digest": "e" * 64},
        {"device_type": "gpu"},
        {"device_name": "another"},
        {"facts": {"framework": "x", "framework_version": "2", "threads": 1, "spinning": False}},
        {"facts": {"framework": "x", "framework_version": "1", "threads": 2, "spinning": False}},
    ],
    ids=["model", "device", "device-name", "version", "threads"],
)
def test_different_measurements_are_not_paired(change: dict[str, Any]) -> None:
    """A retrained model or a different device, version or thread count changes times although the code is the same."""
    assert pair_cases([case_record()], [case_record(**change)]) == []
