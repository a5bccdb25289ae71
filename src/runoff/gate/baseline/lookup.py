"""What the user named as the baseline -> the side that the candidate is held against."""

import dataclasses
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from runoff.errors import GateError, UsageError, quote
from runoff.gate.baseline import environment, worktree
from runoff.gate.baseline.side import Invocation, Side, moved


@contextmanager
def prepare_baseline(
    against: str | None, models: dict[str, list[str]], call: Invocation, tell: Callable[[str], None]
) -> Iterator[Side]:
    """
    Have the baseline for a while.

    Args:
        against: A revision, a checkout, an interpreter, or CHECKOUT:PYTHON; None if only the models differ.
        models: pytest options (by `dest`) that have other values on this side; empty for none.
        call: How the candidate's pytest is called.
        tell: Told what takes long.

    Yields:
        The side.

    Raises:
        UsageError: If the text cannot be meant.
        GateError: If there is no such baseline, or it cannot be had.
    """
    if against is None:
        paths = " ".join(value for values in models.values() for value in values)
        yield dataclasses.replace(_here(call, f"this tree with {paths}"), set_options=models)
        return
    tree, python = _as_paths(against)
    commit = worktree.resolve_commit(call.tree, against) if tree is None or os.sep not in against else None
    if commit is None and tree is None and python is None:
        raise GateError(
            f"no baseline: {quote(against)} is no revision of the repository at {call.tree}, no folder and no"
            " interpreter; a shallow clone has its newest commit only: git fetch --depth=1 origin REV, or clone in full"
        )
    if commit is None:
        side = _here(call, against) if tree is None else _elsewhere(call, tree.absolute(), against)
        yield dataclasses.replace(side, python=python or sys.executable, set_options=models)
        return
    with worktree.checkout(call.tree, commit) as folder:
        same = environment.recipe(folder) == environment.recipe(call.tree)
        own = not same or environment.installed_apart(call.tree)
        side = dataclasses.replace(_elsewhere(call, folder, f"{against} ({commit[:12]})"), set_options=models)
        if own:
            # Made for an earlier worktree, perhaps: what it has of the project is that one's, and gone.
            on_path = dict.fromkeys((*side.python_path, str(folder)))
            side = dataclasses.replace(side, python=environment.build(folder, tell), python_path=tuple(on_path))
        yield side


def _here(call: Invocation, label: str) -> Side:
    return Side("baseline", label, sys.executable, call)


def _elsewhere(call: Invocation, tree: Path, label: str) -> Side:
    """Return the side of another checkout; what is installed in editable mode is imported from there."""
    folders = [str(tree / folder) for folder in environment.source_folders(call.tree) if (tree / folder).is_dir()]
    return Side("baseline", label, sys.executable, moved(call, tree), tuple(folders))


def _as_paths(text: str) -> tuple[Path | None, str | None]:
    """Return the checkout and the interpreter that a text names; None for what it does not."""
    if not text or "\0" in text:
        raise UsageError("--gate-against: is empty, expected a revision, a checkout or an interpreter")
    if Path(text).is_dir():
        return Path(text), None
    if _is_interpreter(text):
        return None, str(Path(text).absolute())
    for at in [index for index, letter in enumerate(text) if letter == ":"]:
        tree, python = text[:at], text[at + 1 :]
        if Path(tree).is_dir() and _is_interpreter(python):
            return Path(tree), str(Path(python).absolute())
    return None, None


def _is_interpreter(text: str) -> bool:
    return (os.sep in text or "/" in text) and Path(text).is_file() and os.access(text, os.X_OK)
