"""Report each benchmark as an ordinary test, without running it again: the gate's workers have measured it."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from pytest_benchmark.utils import NameWrapper

from runoff.gate.report import junit_properties
from runoff.gate.run.case_block import PublishedRounds
from runoff.gate.run.result import GateResult


def replay(item: pytest.Item, result: GateResult) -> None:
    """Replace a benchmark's test function with one that reports what the gate's workers measured."""
    case = item.nodeid
    verdict = next((each for each in result.verdicts if each.case == case), None)
    if verdict is not None:
        item.user_properties += junit_properties(verdict)

    def run() -> None:
        if case in result.failed:
            pytest.fail(result.failed[case], pytrace=False)
        if case in result.skipped:
            pytest.skip(result.skipped[case])
        if case not in result.published:
            pytest.skip(f"gate: {verdict.reason if verdict and verdict.reason else 'not compared'}")
        _publish(item, result.published[case])

    vars(item).update(setup=lambda: None, runtest=run)


def _publish(item: pytest.Item, published: PublishedRounds) -> None:
    """Add the candidate's rounds to pytest-benchmark's results by running `pedantic` with a timer that replays them."""
    session = item.config._benchmarksession  # type: ignore[attr-defined]  # where pytest-benchmark keeps its own
    readings = iter([reading for duration_s in published.durations_s for reading in (0.0, duration_s)])
    options = session.options | {"timer": NameWrapper(lambda: next(readings)), "cprofile": False}
    fixture = BenchmarkFixture(
        item, add_stats=session.benchmarks.append, logger=session.logger, warner=item.warn, disabled=False, **options
    )
    fixture.group = published.group
    fixture.extra_info.update(published.extra_info)
    fixture.pedantic(lambda: None, rounds=len(published.durations_s), iterations=published.iterations)
    assert next(readings, None) is None, "pytest-benchmark read its timer an unexpected number of times"  # noqa: S101
