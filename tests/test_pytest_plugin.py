"""The plugin in separate pytest processes: which results it saves and what it prints."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_INI = "[pytest]\nrunoff_save = {save}\n"
_TESTS = """
import signal

def test_quick(benchmark):
    benchmark.pedantic(sum, args=([1, 2],), rounds=3, iterations=2)

def test_fails_after_timing(benchmark):
    benchmark.pedantic(sum, args=([1, 2],), rounds=3, iterations=2)
    assert {passes}

def interrupt():
    if {interrupts}:
        # A shell starts background processes with SIGINT ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.raise_signal(signal.SIGINT)

def test_last(benchmark):
    benchmark.pedantic(interrupt, rounds=2)
"""
_COMMAND = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A small suite of another project, which asks runoff to save its runs."""
    return _write_suite(tmp_path)


@pytest.fixture(scope="module")
def finished_suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small suite with one saved run; several tests share it because a run takes a second."""
    suite = _write_suite(tmp_path_factory.mktemp("suite"))
    assert _run(suite).returncode == 0
    return suite


@pytest.fixture
def suite_with_run(finished_suite: Path, tmp_path: Path) -> Path:
    """A copy of the suite with one saved run, which the test may change."""
    return shutil.copytree(finished_suite, tmp_path / "copy")


def _write_suite(folder: Path, *, save: bool = True, passes: bool = True, interrupts: bool = False) -> Path:
    (folder / "pytest.ini").write_text(_INI.format(save=str(save).lower()))
    (folder / "test_some.py").write_text(_TESTS.format(passes=passes, interrupts=interrupts))
    return folder


def _run(suite: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*_COMMAND, *options], cwd=suite, capture_output=True, text=True, timeout=120, check=False)


def _saved(suite: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted(suite.glob(".benchmarks/*/*.json"))]


def test_every_run_is_saved_complete(finished_suite: Path) -> None:
    """A history grows only if runs are saved without an option."""
    (saved,) = _saved(finished_suite)
    assert saved["runoff"]["complete"]
    assert len(saved["benchmarks"]) == 3


def test_suite_without_the_setting_is_left_alone(tmp_path: Path) -> None:
    """The plugin is active in every suite of an environment, also in those that know nothing of runoff."""
    suite = _write_suite(tmp_path, save=False)
    done = _run(suite)
    assert done.returncode == 0
    assert _saved(suite) == []
    assert "benchmark: 3 tests" in done.stdout


def test_other_suite_keeps_pytest_benchmarks_table(suite: Path) -> None:
    """The table is suppressed only if runoff's own report shows the same cases, which it does for the perf suite."""
    output = _run(suite).stdout
    assert "benchmark: 3 tests" in output
    assert "saved as .benchmarks" in output


def test_failed_benchmark_is_not_saved(tmp_path: Path) -> None:
    """pytest-benchmark alone would save the time of a test whose answer was wrong."""
    suite = _write_suite(tmp_path, passes=False)
    assert _run(suite).returncode == 1
    (saved,) = _saved(suite)
    assert ["test_quick", "test_last"] == [benchmark["name"] for benchmark in saved["benchmarks"]]
    assert not saved["runoff"]["complete"]


def test_interrupted_run_is_saved_and_marked(tmp_path: Path) -> None:
    """Ctrl-C keeps the finished benchmarks, drops the interrupted one, and the run never becomes a baseline."""
    suite = _write_suite(tmp_path, interrupts=True)
    done = _run(suite)
    assert done.returncode == pytest.ExitCode.INTERRUPTED
    (saved,) = _saved(suite)
    assert ["test_quick", "test_fails_after_timing"] == [benchmark["name"] for benchmark in saved["benchmarks"]]
    assert saved["runoff"]["incomplete_because"] == "interrupted"
    assert "marked incomplete" in done.stdout


def test_name_given_by_the_user_is_used_once(suite: Path) -> None:
    """--benchmark-save must not lead to a second file under an automatic name."""
    _run(suite, "--benchmark-save=main")
    assert [path.name for path in suite.glob(".benchmarks/*/*.json")] == ["0001_main.json"]


def test_saved_runs_can_be_listed_and_compared_by_pytest_benchmark(suite_with_run: Path) -> None:
    """Other tools that read pytest-benchmark's folder must keep working."""
    _run(suite_with_run)
    tool = [sys.executable, "-m", "pytest_benchmark"]
    listed = subprocess.run([*tool, "list"], cwd=suite_with_run, capture_output=True, text=True, check=True)
    compared = subprocess.run([*tool, "compare"], cwd=suite_with_run, capture_output=True, text=True, check=True)
    assert len(listed.stdout.split()) == 2
    assert compared.stdout.count("test_quick") == 2


def test_benchmark_compare_works_on_saved_runs(suite_with_run: Path) -> None:
    """--benchmark-compare and --benchmark-json must work as without runoff."""
    output = _run(suite_with_run, "--benchmark-compare", "--benchmark-json=out.json").stdout
    assert "test_quick (0001_" in output
    assert json.loads((suite_with_run / "out.json").read_bytes())["runoff"]["complete"]


def test_foreign_file_in_the_store_is_no_internal_error(suite_with_run: Path) -> None:
    """A file without machine_info would stop pytest-benchmark with an internal error."""
    (store,) = suite_with_run.glob(".benchmarks/*")
    (store / "0002_foreign.json").write_text('{"benchmarks": []}')
    done = _run(suite_with_run, "--benchmark-compare")
    assert done.returncode == 0
    assert "skipped, not a saved run: " in done.stdout
    assert "0002_foreign.json" in done.stdout
    assert "test_quick (0001_" in done.stdout


def test_store_that_cannot_be_written_stops_the_run_before_it_measures(suite: Path) -> None:
    """An hour of measuring must not end with results that cannot be saved."""
    (suite / "occupied").write_text("")
    done = _run(suite, "--benchmark-storage=file://./occupied")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "results cannot be saved there" in done.stderr
    assert "passed" not in done.stdout


def test_collecting_saves_nothing(suite: Path) -> None:
    """Editors collect tests often, and each collection would otherwise leave a folder behind."""
    assert _run(suite, "--collect-only").returncode == 0
    assert _saved(suite) == []


def test_runs_are_kept_with_the_suite_wherever_pytest_starts(
    suite: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """If each working directory had its own folder of results, there would be no history."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    command = [*_COMMAND, str(suite / "test_some.py")]
    assert subprocess.run(command, cwd=elsewhere, capture_output=True, check=False).returncode == 0
    assert len(_saved(suite)) == 1
    assert not list(elsewhere.iterdir())
