"""Gated runs that cannot compare all cases because a benchmark is broken, missing or endless, or time is too short."""

from pathlib import Path

from tests.support.gated_suites import ONE_AND_ONE_BLOCK, make_suite, run_gate, write_tests


def test_failing_candidate_is_a_failed_test(tmp_path: Path) -> None:
    """A broken benchmark is not a slow benchmark, so the exit code must be pytest's own code for a failed test."""
    folder = make_suite(tmp_path / "suite", "def test_some(benchmark): assert benchmark(work, 500) >= 0")
    write_tests(folder, "def test_some(benchmark): assert benchmark(work, 500) < 0, 'wrong answer'")
    run = run_gate(folder, "--gate-against", "HEAD")
    assert 1 == run.exit_code, run.output
    assert "wrong answer" in run.output


def test_no_benchmark_in_common_is_no_success(tmp_path: Path) -> None:
    """If all benchmarks are renamed, the gate has nothing to compare, so it must not pass."""
    folder = make_suite(tmp_path / "suite", "def test_old(benchmark): benchmark(work, 500)")
    write_tests(folder, "def test_new(benchmark): benchmark(work, 500)")
    run = run_gate(folder, "--gate-against", "HEAD")
    assert 11 == run.exit_code, run.output
    assert {"test_old": "missing", "test_new": "new"} == run.verdicts


def test_baseline_that_cannot_be_collected_is_no_success(tmp_path: Path) -> None:
    """If the baseline's tests cannot be imported, the gate must fail and show the baseline's own error message."""
    folder = make_suite(tmp_path / "suite", "raise RuntimeError('cannot be imported')")
    write_tests(folder, "def test_some(benchmark): benchmark(work, 500)")
    run = run_gate(folder, "--gate-against", "HEAD")
    assert 11 == run.exit_code, run.output
    assert "cannot be imported" in run.output


def test_workers_that_die_or_hang_cost_only_their_own_case(tmp_path: Path) -> None:
    """One endless benchmark must not block a CI job for hours, and the other cases must still get their verdicts."""
    tests = """
IN_BASELINE = "trees" in os.getcwd()
def after(calls, function):
    numbers = iter(range(10**9))
    return lambda: function() if IN_BASELINE and next(numbers) > calls else work(100)
def test_dies(benchmark): benchmark(after(2, lambda: os._exit(3)))
def test_hangs_before(benchmark): benchmark(after(-1, lambda: time.sleep(600)))
def test_hangs_meanwhile(benchmark): benchmark(after(2, lambda: time.sleep(600)))
def test_is_compared(benchmark): benchmark(work, 500 if IN_BASELINE else 1000)
"""
    folder = make_suite(tmp_path / "suite", tests)
    tuning = {**ONE_AND_ONE_BLOCK, "set_up_s": 5, "round_s": 4}
    run = run_gate(folder, "--gate-against", "HEAD", tuning=tuning)
    assert 10 == run.exit_code, run.output
    lost = dict.fromkeys(("test_dies", "test_hangs_before", "test_hangs_meanwhile"), "invalid")
    assert {**lost, "test_is_compared": "regression"} == run.verdicts
    assert "ended with exit code 3" in run.output
    assert "the baseline sent nothing for 5 s" in run.output
    assert "the baseline sent nothing for 4 s" in run.output


def test_budget_that_allows_no_verdict_is_refused_after_the_first_block(tmp_path: Path) -> None:
    """If the time budget is too short for any verdict, users must learn this after the first block, not at the end."""
    folder = make_suite(tmp_path / "suite", "def test_some(benchmark): benchmark(work, 500)")
    run = run_gate(folder, "--gate-against", "HEAD", "--gate-budget=1s")
    assert 11 == run.exit_code, run.output
    assert "--gate-budget 1s leaves no room" in run.output
    assert "block 2 of 5" not in run.output
