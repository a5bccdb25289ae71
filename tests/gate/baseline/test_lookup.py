"""How the gate prepares the baseline that --gate-against names: a git revision, a checkout or an interpreter."""

import subprocess
import sys
from pathlib import Path

import pytest

from runoff.errors import GateError, UsageError
from runoff.files.cache_folder import CACHE_DIR_VARIABLE
from runoff.gate.baseline.lookup import prepare_baseline
from runoff.gate.baseline.side import Invocation, Side
from tests.support.gated_suites import git, make_suite


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a new git repository whose path contains a quote and a space. The gate's cache folder is temporary too."""
    monkeypatch.setenv(CACHE_DIR_VARIABLE, str(tmp_path / "cache"))
    folder = make_suite(tmp_path / "it's a suite", "def test_some(benchmark): pass")
    monkeypatch.chdir(folder)
    return folder


def find_side(suite: Path, against: str | None, models: dict[str, list[str]] | None = None) -> Side:
    """Return the baseline for a value of --gate-against. Its temporary worktree, if any, is already removed."""
    invocation = Invocation((), (), folder=suite, root=suite, tree=suite)
    with prepare_baseline(against, models or {}, invocation, lambda _: None) as side:
        assert (side.invocation.folder / "test_suite.py").exists()
        return side


def tree_and_python(side: Side) -> tuple[Path, str]:
    return side.invocation.tree, side.python


def git_status(suite: Path) -> str:
    command = ["git", "-C", str(suite), "status", "--porcelain=v2", "--branch"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def commit(suite: Path, name: str, text: str) -> None:
    """Write a file and commit it."""
    (suite / name).write_text(text)
    git(suite, "add", "--all")
    git(suite, "commit", "--quiet", f"--message={name}")


def test_revision_is_checked_out_elsewhere_and_removed_afterwards(suite: Path) -> None:
    """Running the gate must not change the user's working tree, git index or list of worktrees."""
    before = git_status(suite)
    side = find_side(suite, "main")
    assert suite != side.invocation.tree
    assert not side.invocation.tree.exists()
    assert not (suite / ".git" / "worktrees").exists()
    assert before == git_status(suite)


def test_hooks_of_the_repository_do_not_run(suite: Path, tmp_path: Path) -> None:
    """A post-checkout hook may build, download or delete files, so the gate must not trigger it."""
    hook = suite / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch '{tmp_path}/hooked'\n")
    hook.chmod(0o755)
    find_side(suite, "main")
    assert not (tmp_path / "hooked").exists()


def test_missing_worktree_of_the_user_stays_registered(suite: Path, tmp_path: Path) -> None:
    """A worktree on an unmounted disk looks abandoned, but the user still needs it, so the gate must not remove it."""
    git(suite, "worktree", "add", "--quiet", "--detach", str(tmp_path / "mine"))
    (tmp_path / "mine").rename(tmp_path / "unmounted")
    find_side(suite, "main")
    assert (suite / ".git" / "worktrees" / "mine").is_dir()


def test_worktree_of_a_killed_gate_is_removed(suite: Path, tmp_path: Path) -> None:
    """CI systems often kill gate runs. The next run must remove abandoned worktrees, or they would fill the disk."""
    abandoned = tmp_path / "cache" / "gate" / "trees" / "0123456789ab-999999999-x"
    abandoned.mkdir(parents=True)
    find_side(suite, "main")
    assert not abandoned.exists()


def test_checkout_and_interpreter_are_found_alone_and_together(suite: Path) -> None:
    """A path may contain colons, so CHECKOUT:PYTHON cannot simply be split at the first colon."""
    other = make_suite(suite.parent / "other:checkout", "def test_some(benchmark): pass")
    assert (other, sys.executable) == tree_and_python(find_side(suite, str(other)))
    assert (suite, sys.executable) == tree_and_python(find_side(suite, sys.executable))
    assert (other, "/bin/sh") == tree_and_python(find_side(suite, f"{other}:/bin/sh"))


def test_other_models_replace_the_values_of_the_suites_option(suite: Path) -> None:
    """If only --gate-against-models is given, both sides run the same code and differ only in their models."""
    side = find_side(suite, None, {"model": ["/a.model"]})
    assert (suite, {"model": ["/a.model"]}) == (side.invocation.tree, side.set_options)


def test_unknown_baseline_is_an_error_with_a_cure(suite: Path) -> None:
    """Most users see this error in CI, where a shallow clone lacks the revision, so the message must name a remedy."""
    with pytest.raises(GateError, match=r"no baseline: 'v9'.*git fetch"):
        find_side(suite, "v9")


@pytest.mark.parametrize("text", ["", "-x", "--upload-pack=touch x", "main\nmain"])
def test_text_that_git_could_misread_is_refused(suite: Path, text: str) -> None:
    """The gate passes the option's value to git. If git read the value as an option, it could run a command."""
    with pytest.raises(UsageError):
        find_side(suite, text)


def test_failed_environment_leaves_nothing_behind(suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If an incomplete virtual environment were left behind, the next gate run would use it as if it were complete."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    (suite / "requirements.txt").write_text("another-package\n")
    with pytest.raises(GateError, match=r"(?s)cannot create an environment for the baseline.*CHECKOUT:PYTHON"):
        find_side(suite, "main")
    assert [] == [path for path in (tmp_path / "cache" / "gate" / "environments").iterdir() if path.is_dir()]


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Record the commands that create environments instead of running them; return the list of commands."""
    recorded: list[list[str]] = []

    def record(command: list[str], tree: Path, report_line: object) -> None:
        recorded.append(command)
        if "venv" in command:
            Path(command[-1]).mkdir(parents=True)

    monkeypatch.setattr("runoff.gate.baseline.environment._run", record)
    return recorded


def pyproject(version: str) -> str:
    return f"[project]\nname = 'thing'\nversion = '1'\ndependencies = ['dep=={version}']\n"


def test_environment_is_created_once_and_reused(suite: Path, commands: list[list[str]]) -> None:
    """Installing packages takes minutes, so gate runs with the same requirements must share one environment."""
    (suite / "requirements.txt").write_text("another-package\n")
    commit(suite, "pyproject.toml", pyproject("1"))
    (suite / "pyproject.toml").write_text(pyproject("2"))
    first, second = (find_side(suite, "main") for _ in range(2))
    assert first.python == second.python != sys.executable
    assert 2 == len(commands), "one command creates the environment, one installs the packages"
    # The editable install points to the first worktree, which is gone, so sys.path must contain the second worktree.
    assert str(second.invocation.tree) in second.python_path


def test_pinned_versions_determine_the_environment(suite: Path, commands: list[list[str]]) -> None:
    """The baseline can use the current environment only if both sides pin the same versions."""
    assert sys.executable == find_side(suite, "main").python
    commit(suite, "constraints.txt", "dep==1\n")
    (suite / "constraints.txt").write_text("dep==2\n")
    assert find_side(suite, "main").python != find_side(suite, "main~1").python
    assert [False, True, False, False] == ["--constraint" in command for command in commands]


def test_incomplete_environment_is_created_again(suite: Path, commands: list[list[str]]) -> None:
    """A killed installation leaves a folder that looks complete, so the gate reuses only folders with a marker file."""
    (suite / "requirements.txt").write_text("another-package\n")
    python = Path(find_side(suite, "main").python)
    (python.parents[1] / "runoff.done").unlink()
    find_side(suite, "main")
    assert 4 == len(commands)


def test_unreachable_package_index_is_reported(suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network, pip reports "no matching distribution", which would make the user look for a wrong pin."""
    python = tmp_path / "python"
    retrying = "WARNING: Retrying (Retry(total=0)) after connection broken: /simple/dep/"
    python.write_text(f"#!/bin/sh\necho '{retrying}'\necho 'ERROR: No matching distribution found for dep'\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    (suite / "requirements.txt").write_text("another-package\n")
    with pytest.raises(GateError, match="the package index cannot be reached; ERROR: No matching"):
        find_side(suite, "main")
