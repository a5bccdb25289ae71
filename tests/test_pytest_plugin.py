"""The plugin in a real pytest run of its own: what is saved, what is not, and what the user is told."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

_INI = "[pytest]\nrunoff_save = {save}\n"
_TESTS = """
import time

def test_quick(benchmark):
    benchmark.pedantic(sum, args=([1, 2],), rounds=3, iterations=2)

def test_fails_after_timing(benchmark):
    benchmark.pedantic(sum, args=([1, 2],), rounds=3, iterations=2)
    assert {passes}

def test_slow(benchmark):
    benchmark.pedantic(time.sleep, args=({sleep_s},), rounds=2)
"""
_COMMAND = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A small foreign suite that asks for runoff's saving."""
    return _write_suite(tmp_path)


def _write_suite(folder: Path, *, save: bool = True, passes: bool = True, sleep_s: float = 0.001) -> Path:
    (folder / "pytest.ini").write_text(_INI.format(save=str(save).lower()))
    (folder / "test_some.py").write_text(_TESTS.format(passes=passes, sleep_s=sleep_s))
    return folder


def _run(suite: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*_COMMAND, *options], cwd=suite, capture_output=True, text=True, timeout=120, check=False)


def _saved(suite: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted(suite.glob(".benchmarks/*/*.json"))]


def test_every_run_is_saved_complete(suite: Path) -> None:
    """Without any option."""
    assert _run(suite).returncode == 0
    (saved,) = _saved(suite)
    assert saved["runoff"]["complete"]
    assert len(saved["benchmarks"]) == 3


def test_suite_that_does_not_ask_is_left_alone(tmp_path: Path) -> None:
    """The plugin is installed for everybody in the environment."""
    suite = _write_suite(tmp_path, save=False)
    assert _run(suite).returncode == 0
    assert _saved(suite) == []


def test_failed_benchmark_is_not_saved(tmp_path: Path) -> None:
    """pytest-benchmark alone keeps the time of a test whose answer was wrong."""
    suite = _write_suite(tmp_path, passes=False)
    assert _run(suite).returncode == 1
    (saved,) = _saved(suite)
    assert ["test_quick", "test_slow"] == [benchmark["name"] for benchmark in saved["benchmarks"]]
    assert not saved["runoff"]["complete"]


def test_interrupted_run_is_saved_and_marked(tmp_path: Path) -> None:
    """What finished is kept; what was cut off half-way is not; nobody mistakes it for a baseline."""
    suite = _write_suite(tmp_path, sleep_s=30)
    command = [*_COMMAND, "-v"]
    with subprocess.Popen(command, cwd=suite, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        assert run.stdout
        while "test_fails_after_timing PASSED" not in run.stdout.readline():
            assert run.poll() is None
        time.sleep(1)
        os.kill(run.pid, signal.SIGINT)
        output = run.stdout.read()
    assert run.returncode == pytest.ExitCode.INTERRUPTED
    (saved,) = _saved(suite)
    assert ["test_quick", "test_fails_after_timing"] == [benchmark["name"] for benchmark in saved["benchmarks"]]
    assert saved["runoff"]["incomplete_because"] == "interrupted"
    assert "marked incomplete" in output


def test_name_given_by_the_user_is_used_once(suite: Path) -> None:
    """--benchmark-save keeps its meaning."""
    _run(suite, "--benchmark-save=main")
    assert [path.name for path in suite.glob(".benchmarks/*/*.json")] == ["0001_main.json"]


def test_saved_runs_can_be_listed_and_compared_by_pytest_benchmark(suite: Path) -> None:
    """The folder stays pytest-benchmark's own."""
    _run(suite)
    _run(suite)
    tool = [sys.executable, "-m", "pytest_benchmark"]
    listed = subprocess.run([*tool, "list"], cwd=suite, capture_output=True, text=True, check=True)
    compared = subprocess.run([*tool, "compare"], cwd=suite, capture_output=True, text=True, check=True)
    assert len(listed.stdout.split()) == 2
    assert compared.stdout.count("test_quick") == 2


def test_benchmark_compare_works_on_saved_runs(suite: Path) -> None:
    """--benchmark-compare and --benchmark-json keep their meaning."""
    _run(suite)
    output = _run(suite, "--benchmark-compare", "--benchmark-json=out.json").stdout
    assert "test_quick (0001_" in output
    assert json.loads((suite / "out.json").read_bytes())["runoff"]["complete"]


def test_foreign_file_in_the_store_is_no_internal_error(suite: Path) -> None:
    """A file without machine_info stops pytest-benchmark with an internal error."""
    _run(suite)
    (store,) = suite.glob(".benchmarks/*")
    (store / "0002_foreign.json").write_text('{"benchmarks": []}')
    done = _run(suite, "--benchmark-compare")
    assert done.returncode == 0
    assert "0002_foreign.json: is no saved run" in done.stdout
    assert "test_quick (0001_" in done.stdout


def test_store_that_cannot_be_written_stops_the_run_before_it_measures(suite: Path) -> None:
    """An hour of measuring must not end in a full stop."""
    (suite / "occupied").write_text("")
    done = _run(suite, "--benchmark-storage=file://./occupied")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "results cannot be saved there" in done.stderr
    assert "passed" not in done.stdout


def test_collecting_saves_nothing(suite: Path) -> None:
    """Looking is free."""
    assert _run(suite, "--collect-only").returncode == 0
    assert _saved(suite) == []


def test_runs_are_kept_with_the_suite_wherever_pytest_starts(
    suite: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A history scattered over working directories is none."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    command = [*_COMMAND, str(suite / "test_some.py")]
    assert subprocess.run(command, cwd=elsewhere, capture_output=True, check=False).returncode == 0
    assert len(_saved(suite)) == 1
    assert not list(elsewhere.iterdir())
