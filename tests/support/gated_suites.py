"""
Small benchmark suites, each in its own git repository, and functions that run the gate on them.

The runs are real: processes, sockets and git worktrees. Only the clock that measures rounds is made up. It advances by
the amount of work that a benchmark asks for, so a candidate with 10 % more work is exactly 10 % slower on any machine.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runoff.files.cache_folder import CACHE_DIR_VARIABLE

# The fake clock is free of noise, so use the fewest blocks that the statistics allow, and the shortest blocks: one
# cycle of rounds.
FIVE_AND_THREE_BLOCKS = {"first_blocks": 5, "second_blocks": 3, "round_ns": 2e5, "case_ns": 0, "warm_ns": 2e5}
# Enough blocks to find a slowdown, but too few to prove that there is none.
ONE_AND_ONE_BLOCK = {**FIVE_AND_THREE_BLOCKS, "first_blocks": 1, "second_blocks": 1}
_OPTIONS = (
    "-p", "no:cacheprovider", "--gate-tolerance=10%", "--gate-alpha=0.5", "--benchmark-timer=suite_clock.now",
)  # fmt: skip
# A gated run starts many pytest processes. Loading only these plugins halves the time that each needs to start.
_PLUGINS = ("-p", "benchmark", "-p", "runoff")

_CLOCK = '''
"""The clock of the suite: it stands still except while `work` runs."""

now_s = 0.0

def now():
    return now_s

def advance(seconds):
    global now_s
    now_s += seconds
'''
_WORK = """
import os, sys, time
import pytest, suite_clock

def work(count):
    suite_clock.advance(count * 1e-6)
    return count
"""


@dataclass(frozen=True)
class GatedRun:
    """
    The outcome of a gated run.

    Attributes:
        exit_code: pytest's exit code.
        output: Its standard output and standard error.
        folder: The suite's folder.
    """

    exit_code: int
    output: str
    folder: Path

    @property
    def saved(self) -> dict[str, Any]:
        """The run that --benchmark-json=out.json saved."""
        run: dict[str, Any] = json.loads((self.folder / "out.json").read_bytes())
        return run

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdict of each test, in the order of the printed table."""
        lines = [line.split() for line in self.output.splitlines() if line.startswith("test_suite.py::")]
        return {cells[0].partition("::")[2]: cells[-1] for cells in lines if not cells[0].endswith(":")}


def git(folder: Path, *arguments: str) -> None:
    """Run git with a fixed author, so that the user's configuration has no effect."""
    author = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", *author, *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=environment(folder))


def environment(folder: Path, tuning: Mapping[str, float] = FIVE_AND_THREE_BLOCKS) -> dict[str, str]:
    """Return environment variables for a gated run, which keep it away from the user's caches and git settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PYTEST_", "GITHUB_"))}
    return kept | {
        CACHE_DIR_VARIABLE: str(folder.parent / "cache"),
        "RUNOFF_GATE_TUNING": json.dumps(dict(tuning)),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join([str(folder.parent / "clock"), *filter(None, [kept.get("PYTHONPATH")])]),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }


def make_suite(folder: Path, tests: str) -> Path:
    """Create a git repository with a suite and one commit. The suite's fake clock is stored next to the repository."""
    folder.mkdir(parents=True)
    clock = folder.parent / "clock"
    clock.mkdir(exist_ok=True)
    (clock / "suite_clock.py").write_text(_CLOCK)
    git(folder, "init", "--quiet", "--initial-branch=main")
    write_tests(folder, tests)
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    """Commit everything in a suite's folder."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=a commit")


def write_tests(folder: Path, tests: str) -> None:
    """Replace the tests in the working tree without committing the change."""
    (folder / "test_suite.py").write_text(_WORK + tests)


def gate_command(*arguments: str) -> list[str]:
    """Return the command that runs pytest with the gate's options."""
    return [sys.executable, "-m", "pytest", *_PLUGINS, *_OPTIONS, *arguments]


def run_gate(
    folder: Path,
    *arguments: str,
    tuning: Mapping[str, float] = FIVE_AND_THREE_BLOCKS,
    variables: Mapping[str, str] | None = None,
) -> GatedRun:
    """Run pytest with the gate's options in a suite's folder, and wait until it ends."""
    done = subprocess.run(
        gate_command(*arguments),
        cwd=folder,
        env=environment(folder, tuning) | dict(variables or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return GatedRun(done.returncode, done.stdout, folder)
