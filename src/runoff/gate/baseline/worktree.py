"""Check out a git revision into a temporary worktree in the cache folder, and remove it afterwards."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from runoff.errors import GateError, UsageError, quote
from runoff.files.cache_folder import CACHE_DIR_VARIABLE, cache_folder
from runoff.interrupts import interrupt_deferred

_TIMEOUT_S = 300.0


def git_top_level(folder: Path) -> Path | None:
    """Return the top folder of a folder's git work tree. Return None outside a work tree or without git."""
    completed = _git(folder, "rev-parse", "--show-toplevel")
    return Path(completed.stdout.rstrip("\n")) if completed.returncode == 0 else None


def resolve_commit(tree: Path, revision: str) -> str | None:
    """
    Return the full commit id of a branch, tag or abbreviated id. Return None if the revision does not exist.

    Raises:
        UsageError: If git could mistake the text for an option, or the text has unprintable characters.
    """
    if revision.startswith("-") or not revision.isprintable():
        raise UsageError(
            f"--gate-against: found {quote(revision)}, expected a revision that does not begin with a dash and has"
            " printable characters only"
        )
    completed = _git(tree, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    return completed.stdout.strip() if completed.returncode == 0 else None


@contextmanager
def checkout(tree: Path, commit: str) -> Iterator[Path]:
    """
    Check out a commit into a temporary worktree for the duration of a `with` block, and yield its top folder.

    Args:
        tree: The user's work tree; its files and its index stay untouched.
        commit: A full commit id.

    Raises:
        GateError: If git cannot check out the commit, or the cache folder is not writable.
    """
    trees = cache_folder() / "gate" / "trees"
    _remove_abandoned(tree, trees)
    try:
        trees.mkdir(parents=True, exist_ok=True)
        # The process id in the name lets later gates find out whether the owner of the worktree is still running.
        folder = Path(tempfile.mkdtemp(prefix=f"{commit[:12]}-{os.getpid()}-", dir=trees))
    except OSError as error:
        raise GateError(
            f"{trees}: cannot be written ({error.strerror}); set {CACHE_DIR_VARIABLE} to a writable folder"
        ) from None
    try:
        completed = _git(tree, "worktree", "add", "--detach", "--force", str(folder / "tree"), commit)
        if completed.returncode:
            raise GateError(f"git cannot check out {commit[:12]}: {completed.stderr.strip()[-500:]}")
        yield folder / "tree"
    finally:
        _remove(tree, folder)


def _remove(tree: Path, folder: Path) -> None:
    """Remove a worktree and its entry in the repository."""
    # Do not use `git worktree prune`: it also removes entries of worktrees on disks that are not mounted.
    with interrupt_deferred():
        _git(tree, "worktree", "remove", "--force", str(folder / "tree"))
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(tree: Path, trees: Path) -> None:
    """Remove the worktrees of earlier gate runs that were killed before they could clean up."""
    with suppress(OSError):
        for folder in trees.iterdir():
            process_id = folder.name.split("-")[1:2]
            if process_id and process_id[0].isdigit() and not psutil.pid_exists(int(process_id[0])):
                _remove(tree, folder)


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git without a shell and without hooks. If git is missing or hangs, the exit code is -1."""
    # Drop GIT_DIR and similar variables: if a git hook started this process, they refer to the hook's repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment["GIT_TERMINAL_PROMPT"] = "0"
    command = ["git", "-c", "core.hooksPath=" + os.devnull, "-C", str(folder), *arguments]
    try:
        return subprocess.run(  # noqa: S603 - no shell; revisions come after --end-of-options
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, -1, stdout="", stderr=str(error))
