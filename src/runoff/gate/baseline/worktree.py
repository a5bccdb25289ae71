"""A git revision's files, in a worktree under the cache folder that is gone afterwards."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs
import psutil

from runoff.errors import GateError, UsageError, quote
from runoff.interrupts import uninterrupted

CACHE_DIR_VARIABLE = "RUNOFF_CACHE_DIR"
_TIMEOUT_S = 300.0


def cache_folder() -> Path:
    """Return where the gate keeps what it makes: under RUNOFF_CACHE_DIR, or the user's cache folder."""
    named = os.environ.get(CACHE_DIR_VARIABLE)
    return (Path(named) if named else Path(platformdirs.user_cache_dir("runoff"))).absolute() / "gate"


def git_top_level(folder: Path) -> Path | None:
    """Return the top of the git work tree that a folder lies in; None if it lies in none, or there is no git."""
    done = _git(folder, "rev-parse", "--show-toplevel")
    return Path(done.stdout.rstrip("\n")) if done is not None and done.returncode == 0 else None


def resolve_commit(tree: Path, revision: str) -> str | None:
    """
    Return the full id of the commit that a revision means; None if there is none.

    Raises:
        UsageError: If the text could be taken for an option.
    """
    if revision.startswith("-") or not revision.isprintable():
        raise UsageError(f"--gate-against {quote(revision)}: is no revision; a revision does not begin with a dash")
    done = _git(tree, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    return done.stdout.strip() if done is not None and done.returncode == 0 else None


@contextmanager
def checkout(tree: Path, commit: str) -> Iterator[Path]:
    """
    Have a commit's files for a while.

    Args:
        tree: The user's work tree; nothing in it is touched.
        commit: A full commit id.

    Yields:
        The top of a worktree of its own.

    Raises:
        GateError: If git cannot make it.
    """
    trees = cache_folder() / "trees"
    _sweep(tree, trees)
    try:
        trees.mkdir(parents=True, exist_ok=True)
        # The process id says whose it is, so that what a killed run left can be told from what is in use.
        folder = Path(tempfile.mkdtemp(prefix=f"{commit[:12]}-{os.getpid()}-", dir=trees))
    except OSError as error:
        raise GateError(
            f"{trees}: cannot be written ({error.strerror}); name a folder in {CACHE_DIR_VARIABLE}"
        ) from None
    try:
        done = _git(tree, "worktree", "add", "--detach", "--force", str(folder / "tree"), commit)
        if done is None or done.returncode:
            said = done.stderr.strip()[-500:] if done else "git did not answer"
            raise GateError(f"git could not check out {commit[:12]}: {said}")
        yield folder / "tree"
    finally:
        _remove(tree, folder)


def _remove(tree: Path, folder: Path) -> None:
    """Remove a worktree and its entry in the repository; never `prune`, which might take entries of the user's."""
    with uninterrupted():
        _git(tree, "worktree", "remove", "--force", str(folder / "tree"))
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(tree: Path, trees: Path) -> None:
    """Remove what runs left that were killed."""
    with suppress(OSError):
        for folder in trees.iterdir():
            owner = folder.name.split("-")[1:2]
            if owner and owner[0].isdigit() and not psutil.pid_exists(int(owner[0])):
                _remove(tree, folder)


def _git(folder: Path, *words: str) -> "subprocess.CompletedProcess[str] | None":
    """Run git without a shell and without hooks; None if there is no git or it hangs."""
    # A hook that git itself runs us from sets these, and they would lead it to another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-c", "core.hooksPath=" + os.devnull, "-C", str(folder), *words]
    try:
        return subprocess.run(  # noqa: S603 - no shell; revisions stand behind --end-of-options
            command,
            env=environment | {"GIT_TERMINAL_PROMPT": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
