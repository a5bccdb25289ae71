"""Ctrl-C and worse: whatever ends the gate, none of its children is left."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.support.gated_suites import environment, gate_command, make_suite

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")


@contextmanager
def running_gate(tmp_path: Path, call_s: float, until: str) -> Iterator["subprocess.Popen[str]"]:
    """Have a gate that has said something; the calls of its benchmark take so long."""
    folder = make_suite(tmp_path / "suite", f"def test_some(benchmark): benchmark(time.sleep, {call_s})")
    command = gate_command("--gate-against", "HEAD")
    with subprocess.Popen(
        command, cwd=folder, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        assert run.stdout
        while until not in run.stdout.readline():
            assert run.poll() is None
        while not children_of(tmp_path):
            assert run.poll() is None
        yield run


def children_of(folder: Path) -> list[psutil.Process]:
    """Return the gate's children whose suite or worktree lies in a folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if "runoff_gate_worker" in process.cmdline() and process.cwd().startswith(str(folder)):
                found.append(process)
    return found


def test_ctrl_c_ends_the_children_and_pytest_says_so(tmp_path: Path) -> None:
    """Exit code 2, as from any pytest; nothing goes on measuring in the background."""
    with running_gate(tmp_path, 0.05, "block 1 of 5") as run:
        run.send_signal(signal.SIGINT)
        output = run.communicate(timeout=60)[0]
    assert pytest.ExitCode.INTERRUPTED == run.returncode, output
    assert [] == children_of(tmp_path), output
    assert [] == list((tmp_path / "cache" / "gate" / "trees").iterdir())


def test_children_end_when_the_gate_is_killed(tmp_path: Path) -> None:
    """A CI system that is out of patience sends SIGKILL; a child in the midst of a long call hears of it too."""
    with running_gate(tmp_path, 600, "plan:") as run:
        time.sleep(1)
        run.kill()
    while children_of(tmp_path):
        time.sleep(0.2)
