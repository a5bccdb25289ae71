"""The commands that are printed at the end of a run, with which users can display saved runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_benchmark.logger import Logger

from runoff.records.store import AtomicStore
from runoff.report.saved_files import command_lines
from tests.support.saved_runs import plain_run, store_in, write_file


def _commands(lines: list[str]) -> list[str]:
    return [line.partition(": ")[2] for line in lines]


def test_commands_work_where_they_are_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands must work although tox has `runoff` on PATH only during the run and several folders have a run 1."""
    script = tmp_path / "an environment" / "runoff"
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\nexec '{sys.executable}' -m runoff \"$@\"\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script.with_name("python")))
    runs = tmp_path / ".benchmarks"
    earlier, saved = (write_file(store_in(runs), f"000{number}_run.json", plain_run()) for number in (1, 2))
    write_file(AtomicStore(runs, Logger(Logger.QUIET), "other-machine"), "0001_run.json", plain_run())
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(script.parent), prepend=os.pathsep)
        pasted = " && ".join(_commands(command_lines(saved, earlier, tmp_path)))
    done = subprocess.run(["/bin/sh", "-c", pasted], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "onnxruntime-cpu-net-b1" in done.stdout
    assert "candidate  0002_run.json" in done.stdout


def test_first_run_is_not_compared(tmp_path: Path) -> None:
    """A comparison needs an earlier run of the same cases, so the first run prints only the history command."""
    [history] = command_lines(tmp_path / "0001_run.json", None, tmp_path)
    assert history.startswith("see all saved runs: ")


def test_command_is_relative_to_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths relative to the user's current folder keep the command short and readable."""
    script = tmp_path / ".venv" / "bin" / "runoff"
    script.parent.mkdir(parents=True)
    monkeypatch.setattr(sys, "executable", str(script.with_name("python")))
    saved = tmp_path / ".benchmarks" / "machine" / "0012_run.json"
    storage = "--storage .benchmarks/machine"
    assert [f".venv/bin/python -m runoff history {storage}"] == _commands(command_lines(saved, None, tmp_path))
    script.touch()
    expected = [f".venv/bin/runoff history {storage}", f".venv/bin/runoff compare 9 12 {storage}"]
    assert expected == _commands(command_lines(saved, saved.with_name("0009_run.json"), tmp_path))


def test_script_in_the_users_folder_is_called_by_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell searches a bare name on PATH only, so a script in the user's own folder needs `./` before its name."""
    (tmp_path / "runoff").touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    [command] = _commands(command_lines(tmp_path / "0001_run.json", None, tmp_path))
    assert command.startswith("./runoff history")
