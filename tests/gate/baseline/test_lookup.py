"""What the user may name as the baseline, and what is made of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from runoff.errors import GateError, UsageError
from runoff.gate.baseline.lookup import prepare_baseline
from runoff.gate.baseline.side import Invocation, Side
from tests.support.gated_suites import git, make_suite


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a baseline in it, and a cache that is the test's own."""
    monkeypatch.setenv("RUNOFF_CACHE_DIR", str(tmp_path / "cache"))
    folder = make_suite(tmp_path / "it's a suite", "def test_some(benchmark): pass")
    monkeypatch.chdir(folder)
    return folder


def side_of(suite: Path, against: str | None, models: dict[str, list[str]] | None = None) -> Side:
    """Resolve a baseline; its files may be gone afterwards."""
    with prepare_baseline(against, models or {}, Invocation((), (), suite, suite, suite), lambda _: None) as side:
        assert (side.invocation.folder / "test_suite.py").exists()
        return side


def test_revision_is_checked_out_elsewhere_and_gone_afterwards(suite: Path) -> None:
    """Branch, tag or id; the working tree, its index and its entries stay as they are."""
    before = _status(suite)
    side = side_of(suite, "main")
    assert suite != side.invocation.tree
    assert not side.invocation.tree.exists()
    assert not (suite / ".git" / "worktrees").exists()
    assert before == _status(suite)


def _status(suite: Path) -> str:
    command = ["git", "-C", str(suite), "status", "--porcelain=v2", "--branch"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_hooks_of_the_repository_do_not_run(suite: Path, tmp_path: Path) -> None:
    """A post-checkout hook may build, fetch or delete."""
    hook = suite / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch '{tmp_path}/hooked'\n")
    hook.chmod(0o755)
    side_of(suite, "main")
    assert not (tmp_path / "hooked").exists()


def test_worktrees_of_the_user_stay(suite: Path, tmp_path: Path) -> None:
    """One on a disk that is not mounted looks prunable, and is not ours."""
    git(suite, "worktree", "add", "--quiet", "--detach", str(tmp_path / "mine"))
    (tmp_path / "mine").rename(tmp_path / "unmounted")
    side_of(suite, "main")
    assert (suite / ".git" / "worktrees" / "mine").is_dir()


def test_what_a_killed_run_left_is_removed(suite: Path, tmp_path: Path) -> None:
    """Runs are killed often enough in CI to fill a disk."""
    left = tmp_path / "cache" / "gate" / "trees" / "0123456789ab-999999999-x"
    left.mkdir(parents=True)
    side_of(suite, "main")
    assert not left.exists()


def test_checkout_interpreter_and_both(suite: Path) -> None:
    """PATH, …/bin/python, CHECKOUT:PYTHON."""
    other = make_suite(suite.parent / "other:checkout", "def test_some(benchmark): pass")
    assert (other, sys.executable) == _tree_and_python(side_of(suite, str(other)))
    assert (suite, sys.executable) == _tree_and_python(side_of(suite, sys.executable))
    assert (other, "/bin/sh") == _tree_and_python(side_of(suite, f"{other}:/bin/sh"))


def _tree_and_python(side: Side) -> tuple[Path, str]:
    return side.invocation.tree, side.python


def test_other_models_are_given_to_the_suites_own_option(suite: Path) -> None:
    """The same tests on the same code; only what they are about differs."""
    side = side_of(suite, None, {"model": ["/a.model"]})
    assert (suite, {"model": ["/a.model"]}) == (side.invocation.tree, side.set_options)


def test_baseline_that_is_nothing_is_named_with_a_cure(suite: Path) -> None:
    """In a shallow clone this is what everybody meets first."""
    with pytest.raises(GateError, match=r"no baseline: 'v9'.*git fetch"):
        side_of(suite, "v9")


@pytest.mark.parametrize("text", ["", "-x", "--upload-pack=touch x", "main\nmain"])
def test_text_that_cannot_be_a_baseline_is_refused(suite: Path, text: str) -> None:
    """It goes to git as an argument."""
    with pytest.raises(UsageError):
        side_of(suite, text)


def test_environment_that_cannot_be_made_leaves_nothing_half_made(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-made one would be taken for whole the next time."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    (suite / "requirements.txt").write_text("another-package\n")
    with pytest.raises(GateError, match=r"(?s)no environment for the baseline could be made.*CHECKOUT:PYTHON"):
        side_of(suite, "main")
    assert [] == [path for path in (tmp_path / "cache" / "gate" / "environments").iterdir() if path.is_dir()]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that make environments, which are noted and do nothing."""
    commands: list[list[str]] = []

    def run(words: list[str], tree: Path, tell: object) -> None:
        commands.append(words)
        if "venv" in words:
            Path(words[-1]).mkdir(parents=True)

    monkeypatch.setattr("runoff.gate.baseline.environment._run", run)
    return commands


def _project(version: str) -> str:
    return f"[project]\nname = 'thing'\nversion = '1'\ndependencies = ['dep=={version}']\n"


def test_environment_of_other_pins_is_made_once_and_reused(suite: Path, made: list[list[str]]) -> None:
    """Every run has its worktree elsewhere; minutes of installing must not come with it."""
    (suite / "pyproject.toml").write_text(_project("1"))
    (suite / "requirements.txt").write_text("another-package\n")
    git(suite, "add", "--all")
    git(suite, "commit", "--quiet", "--message=pins")
    (suite / "pyproject.toml").write_text(_project("2"))
    first, second = (side_of(suite, "main") for _ in range(2))
    assert first.python == second.python != sys.executable
    assert 2 == len(made), "one venv, one installation"
    # What the environment knows of the project is the first worktree, which is gone.
    assert str(second.invocation.tree) in second.python_path


def test_pins_decide_which_environment(suite: Path, made: list[list[str]]) -> None:
    """Other pins, another environment; the same as here, none."""
    assert sys.executable == side_of(suite, "main").python
    (suite / "constraints.txt").write_text("dep==1\n")
    git(suite, "add", "--all")
    git(suite, "commit", "--quiet", "--message=pins")
    (suite / "constraints.txt").write_text("dep==2\n")
    assert side_of(suite, "main").python != side_of(suite, "main~1").python
    assert ["--constraint" in words for words in made] == [False, True, False, False]


def test_half_made_environment_is_made_anew(suite: Path, tmp_path: Path, made: list[list[str]]) -> None:
    """A killed installation leaves a folder that looks like one that is done."""
    (suite / "requirements.txt").write_text("another-package\n")
    python = Path(side_of(suite, "main").python)
    (python.parents[1] / "runoff.done").unlink()
    side_of(suite, "main")
    assert 4 == len(made)


def test_index_that_cannot_be_reached_is_said(suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip ends with "no matching distribution", which sends the reader to look for a wrong pin."""
    pip = tmp_path / "python"
    retrying = "WARNING: Retrying (Retry(total=0)) after connection broken: /simple/dep/"
    pip.write_text(f"#!/bin/sh\necho '{retrying}'\necho 'ERROR: No matching distribution found for dep'\nexit 1\n")
    pip.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(pip))
    (suite / "requirements.txt").write_text("another-package\n")
    with pytest.raises(GateError, match="the package index cannot be reached; ERROR: No matching"):
        side_of(suite, "main")
