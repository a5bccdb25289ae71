"""Small suites that know nothing of runoff, in git repositories of their own, and gated runs of them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# As few and as short blocks as can still give a verdict; slowdowns in these suites are large.
QUICK = {"first_blocks": 5, "second_blocks": 3, "round_ns": 2e5, "case_ns": 1.5e7, "warm_ns": 2e5}
# Enough for a slowdown alone.
FEWEST = {**QUICK, "first_blocks": 1, "second_blocks": 1}
ALPHA = "--gate-alpha=0.5"
_WORDS = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "--gate-tolerance=60%", ALPHA)

WORK = """
import os, sys, time
import pytest

def work(count):
    total = 0
    for number in range(count):
        total += number
    return total
"""


@dataclass(frozen=True)
class Gated:
    """
    What a gated run left.

    Attributes:
        code: Its exit code.
        output: Everything it said.
        folder: The suite.
    """

    code: int
    output: str
    folder: Path

    @property
    def saved(self) -> dict[str, Any]:
        """What --benchmark-json wrote."""
        run: dict[str, Any] = json.loads((self.folder / "out.json").read_bytes())
        return run

    @property
    def words(self) -> dict[str, str]:
        """Test name to verdict, as the table says it."""
        lines = [line.split() for line in self.output.splitlines() if line.startswith("test_suite.py::")]
        return {cells[0].partition("::")[2]: cells[-1] for cells in lines if not cells[0].endswith(":")}


def git(folder: Path, *words: str) -> None:
    """Run git as nobody in particular."""
    who = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", *who, *words]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=environment(folder))


def environment(folder: Path, tuning: Mapping[str, float] = QUICK) -> dict[str, str]:
    """Return the environment of a gated run; caches and the configuration of git are the test's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PYTEST_", "GITHUB_"))}
    return kept | {
        "RUNOFF_CACHE_DIR": str(folder.parent / "cache"),
        "RUNOFF_GATE_TUNING": json.dumps(dict(tuning)),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def make_suite(folder: Path, tests: str) -> Path:
    """Make a repository with one commit that holds a suite."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    write_tests(folder, tests)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=baseline")
    return folder


def write_tests(folder: Path, tests: str) -> None:
    """Put tests into the working tree, without a commit."""
    (folder / "test_suite.py").write_text(WORK + tests)


def gate_command(*words: str) -> list[str]:
    """Return the words of a gated run."""
    return [sys.executable, "-m", "pytest", *_WORDS, *words]


def gate(
    folder: Path, *words: str, tuning: Mapping[str, float] = QUICK, variables: Mapping[str, str] | None = None
) -> Gated:
    """Run pytest with the gate's options in a suite."""
    done = subprocess.run(
        gate_command(*words),
        cwd=folder,
        env=environment(folder, tuning) | dict(variables or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return Gated(done.returncode, done.stdout, folder)
