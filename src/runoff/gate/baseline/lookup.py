"""Find the baseline named by --gate-against, and prepare its files and its interpreter."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from runoff.errors import GateError, UsageError, quote
from runoff.gate.baseline import environment, worktree
from runoff.gate.baseline.side import Invocation, Side, relocate_invocation


@contextmanager
def prepare_baseline(
    against: str | None, models: dict[str, list[str]], invocation: Invocation, report_line: Callable[[str], None]
) -> Iterator[Side]:
    """
    Prepare the baseline for the duration of a `with` block. Afterwards, remove the worktree if one was created.

    Args:
        against: A git revision, the folder of a checkout, an interpreter, or CHECKOUT:PYTHON; None to compare this tree
            with itself, using different models.
        models: Values of pytest options on the baseline, by `dest`; empty if both sides use the same values.
        invocation: The candidate's pytest command.
        report_line: Called with a line for the user before each step that takes long.

    Raises:
        UsageError: If the text is empty or looks like an option.
        GateError: If no baseline matches the text, or its files or its environment cannot be created.
    """
    if against is None:
        paths = " ".join(value for values in models.values() for value in values)
        yield Side("baseline", f"this tree with {paths}", sys.executable, invocation, set_options=models)
        return
    tree, python = _parse_paths(against)
    # If "main" is both a revision and a folder, use the revision. Users can write "./main" to select the folder.
    commit = worktree.resolve_commit(invocation.tree, against) if tree is None or os.sep not in against else None
    if commit is not None:
        with worktree.checkout(invocation.tree, commit) as folder:
            side = _side_of_commit(invocation, folder, f"{against} ({commit[:12]})", report_line)
            yield replace(side, set_options=models)
        return
    if tree is None and python is None:
        raise GateError(
            f"no baseline: {quote(against)} is not a revision of {invocation.tree}, a folder or an interpreter; if the"
            " repository is a shallow clone, fetch the revision first: git fetch --depth=1 origin REVISION"
        )
    same_tree = Side("baseline", against, sys.executable, invocation)
    side = same_tree if tree is None else _other_tree(invocation, tree.absolute(), against)
    yield replace(side, python=python or sys.executable, set_options=models)


def _side_of_commit(invocation: Invocation, folder: Path, label: str, report_line: Callable[[str], None]) -> Side:
    """Return a baseline that runs a checked-out commit, in a separate environment if its packages differ."""
    side = _other_tree(invocation, folder, label)
    same_packages = environment.declared_packages(folder) == environment.declared_packages(invocation.tree)
    if same_packages and not environment.is_installed_as_copy(invocation.tree):
        return side
    python = environment.find_or_create(folder, report_line)
    # If the environment was created for an earlier worktree, its editable install refers to a folder that no longer
    # exists. Add this worktree to the path, so that Python imports its sources.
    return replace(side, python=python, python_path=tuple(dict.fromkeys((*side.python_path, str(folder)))))


def _other_tree(invocation: Invocation, tree: Path, label: str) -> Side:
    """Return a baseline that runs another checkout's tests, with that checkout's sources first in sys.path."""
    folders = [tree / folder for folder in environment.source_folders(invocation.tree)]
    python_path = tuple(str(folder) for folder in folders if folder.is_dir())
    return Side("baseline", label, sys.executable, relocate_invocation(invocation, tree), python_path)


def _parse_paths(text: str) -> tuple[Path | None, str | None]:
    """Split the text of --gate-against into a checkout and an interpreter. Either is None if the text lacks it."""
    if not text or "\0" in text:
        raise UsageError("--gate-against: found an empty value, expected a revision, a checkout or an interpreter")
    if Path(text).is_dir():
        return Path(text), None
    if _is_interpreter(text):
        return None, str(Path(text).absolute())
    # In CHECKOUT:PYTHON, both paths may contain colons, so try every colon as the separator.
    for index in [index for index, letter in enumerate(text) if letter == ":"]:
        tree, python = text[:index], text[index + 1 :]
        if Path(tree).is_dir() and _is_interpreter(python):
            return Path(tree), str(Path(python).absolute())
    return None, None


def _is_interpreter(text: str) -> bool:
    return (os.sep in text or "/" in text) and Path(text).is_file() and os.access(text, os.X_OK)
