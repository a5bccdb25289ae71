"""The plugin in separate pytest processes: which results it saves and what it prints."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.cli import main as pytest_benchmark_command

from tests.support.perf_runs import PYTEST

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


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A small benchmark suite outside this project, whose ini file contains `runoff_save = true`."""
    return _write_suite(tmp_path)


@dataclass(frozen=True)
class FinishedRun:
    """A suite's folder and the output of its run. Several tests share one run, because a run takes a second."""

    suite: Path
    output: str


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """A run of a small suite without options."""
    suite = _write_suite(tmp_path_factory.mktemp("suite"))
    done = _run(suite)
    assert done.returncode == 0
    return FinishedRun(suite, done.stdout)


@pytest.fixture(scope="module")
def compared_run(finished_run: FinishedRun, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """A run compared with an earlier run of the suite; the store also contains a JSON file that is no saved run."""
    suite = shutil.copytree(finished_run.suite, tmp_path_factory.mktemp("compared") / "copy")
    (store,) = suite.glob(".benchmarks/*")
    (store / "0002_foreign.json").write_text('{"benchmarks": []}')
    done = _run(suite, "--benchmark-compare", "--benchmark-json=out.json")
    assert done.returncode == 0
    return FinishedRun(suite, done.stdout)


@pytest.fixture(scope="module")
def named_run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """A run with --benchmark-save=main, started in a folder other than the suite's."""
    suite, elsewhere = _write_suite(tmp_path_factory.mktemp("suite")), tmp_path_factory.mktemp("elsewhere")
    done = _run(elsewhere, str(suite / "test_some.py"), "--benchmark-save=main")
    assert done.returncode == 0
    assert not list(elsewhere.iterdir())
    return FinishedRun(suite, done.stdout)


def _write_suite(folder: Path, *, save: bool = True, passes: bool = True, interrupts: bool = False) -> Path:
    (folder / "pytest.ini").write_text(_INI.format(save=str(save).lower()))
    (folder / "test_some.py").write_text(_TESTS.format(passes=passes, interrupts=interrupts))
    return folder


def _run(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*PYTEST, *options], cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def _saved(suite: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted(suite.glob(".benchmarks/*/*.json"))]


def test_every_run_is_saved_complete(finished_run: FinishedRun) -> None:
    """If saving a run required an option, users would forget it, so every run is saved by default."""
    (saved,) = _saved(finished_run.suite)
    assert saved["runoff"]["complete"]
    assert len(saved["benchmarks"]) == 3


def test_suite_without_the_setting_is_left_alone(tmp_path: Path) -> None:
    """pytest loads the plugin for every suite in the environment, but it must act only in suites with `runoff_save`."""
    suite = _write_suite(tmp_path, save=False)
    done = _run(suite)
    assert done.returncode == 0
    assert _saved(suite) == []
    assert "benchmark: 3 tests" in done.stdout


def test_other_suite_keeps_pytest_benchmarks_table(finished_run: FinishedRun) -> None:
    """runoff's report omits benchmarks that runoff did not measure, so pytest-benchmark must print its own table."""
    assert "benchmark: 3 tests" in finished_run.output
    assert "saved as .benchmarks" in finished_run.output


def test_failed_benchmark_is_not_saved(tmp_path: Path) -> None:
    """pytest-benchmark alone would save the time of a test whose answer was wrong."""
    suite = _write_suite(tmp_path, passes=False)
    assert _run(suite).returncode == 1
    (saved,) = _saved(suite)
    assert ["test_quick", "test_last"] == [benchmark["name"] for benchmark in saved["benchmarks"]]
    assert saved["runoff"]["incomplete_because"] == "1 test failed"


def test_interrupted_run_is_saved_and_marked(tmp_path: Path) -> None:
    """After Ctrl-C the finished benchmarks are saved, but the run is marked so that later reports ignore it."""
    suite = _write_suite(tmp_path, interrupts=True)
    done = _run(suite)
    assert done.returncode == pytest.ExitCode.INTERRUPTED
    (saved,) = _saved(suite)
    assert ["test_quick", "test_fails_after_timing"] == [benchmark["name"] for benchmark in saved["benchmarks"]]
    assert saved["runoff"]["incomplete_because"] == "interrupted"
    assert "marked incomplete" in done.stdout


def test_name_given_by_the_user_is_used_once(named_run: FinishedRun) -> None:
    """A run with --benchmark-save must not be saved again under an automatic name."""
    assert [path.name for path in named_run.suite.glob(".benchmarks/*/*.json")] == ["0001_main.json"]


def test_saved_runs_can_be_listed_and_compared_by_pytest_benchmark(
    finished_run: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other tools that read pytest-benchmark's folder must keep working."""
    [first] = finished_run.suite.glob(".benchmarks/*/*.json")
    store = shutil.copytree(first.parent, tmp_path / ".benchmarks" / first.parent.name)
    shutil.copy(first, store / "0002_again.json")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["pytest-benchmark", "list"])
    pytest_benchmark_command()
    assert len(capsys.readouterr().out.split()) == 2
    monkeypatch.setattr(sys, "argv", ["pytest-benchmark", "compare"])
    pytest_benchmark_command()
    assert capsys.readouterr().out.count("test_quick") == 2


def test_benchmark_compare_works_on_saved_runs(compared_run: FinishedRun) -> None:
    """--benchmark-compare and --benchmark-json must work exactly as they do without runoff."""
    assert "test_quick (0001_" in compared_run.output
    assert json.loads((compared_run.suite / "out.json").read_bytes())["runoff"]["complete"]


def test_foreign_file_in_the_store_is_no_internal_error(compared_run: FinishedRun) -> None:
    """A file without machine_info would stop pytest-benchmark with an internal error."""
    assert "skipped, not a saved run: " in compared_run.output
    assert "0002_foreign.json" in compared_run.output


def test_store_that_cannot_be_written_stops_the_run_before_it_measures(suite: Path) -> None:
    """If the store is not writable, the run must fail at its start and not after an hour of measuring."""
    (suite / "occupied").write_text("")
    done = _run(suite, "--benchmark-storage=file://./occupied")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "results cannot be saved there" in done.stderr
    assert "passed" not in done.stdout


def test_collecting_saves_nothing(suite: Path) -> None:
    """Editors collect tests often, so the store would fill up if each collection saved a run."""
    assert _run(suite, "--collect-only").returncode == 0
    assert _saved(suite) == []


def test_runs_are_kept_with_the_suite_wherever_pytest_starts(named_run: FinishedRun) -> None:
    """If each working directory had its own folder of results, no folder would contain the suite's whole history."""
    assert len(_saved(named_run.suite)) == 1
