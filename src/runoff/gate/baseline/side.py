"""What a side of the comparison is, and the words that start its pytest."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_PATH_OPTIONS = ("-c", "--config-file", "--rootdir", "--confcutdir")


@dataclass(frozen=True)
class Invocation:
    """
    How the candidate's pytest was called.

    Attributes:
        arguments: pytest's words.
        positional: Those of them that name tests, as typed.
        folder: The working directory.
        root: pytest's rootdir.
        tree: The top of the checkout: the git work tree, or `root`.
    """

    arguments: tuple[str, ...]
    positional: tuple[str, ...]
    folder: Path
    root: Path
    tree: Path


@dataclass(frozen=True)
class Side:
    """
    Where and how one side's tests are run.

    Attributes:
        name: `candidate`, `baseline`, for messages.
        label: What the user called it.
        python: Its interpreter.
        invocation: How its pytest is called; folders are the side's own.
        python_path: Put before sys.path.
        set_options: pytest options that are given other values, by their `dest`.
    """

    name: str
    label: str
    python: str
    invocation: Invocation
    python_path: tuple[str, ...] = ()
    set_options: dict[str, Any] = field(default_factory=dict)

    def command(self, files: Sequence[str]) -> list[str]:
        """
        Return the words that start the child.

        Args:
            files: Test files relative to the root; if none, what the user named is collected.
        """
        call = self.invocation
        options = _without(call.arguments, call.positional)
        if files:
            # A file may be absent on this side; its cases are then `new` or `missing`.
            chosen = [str(call.root / file) for file in files if (call.root / file).exists()]
        else:
            chosen = list(dict.fromkeys(word.partition("::")[0] for word in call.positional))
            chosen = [path for path in chosen if (call.folder / path).exists()]
        words = [self.python, "-m", "pytest", "-p", "runoff_gate_worker", *options, "--rootdir", str(call.root)]
        # Paths first: an option that takes many values would swallow them.
        return [*words[:5], *chosen, *words[5:]]


def _without(arguments: Sequence[str], positional: Sequence[str]) -> list[str]:
    """Return words less each positional one once, from the end: an option's value may be the same word."""
    kept = list(reversed(arguments))
    for word in positional:
        if word in kept:
            kept.remove(word)
    return kept[::-1]


def moved(call: Invocation, tree: Path) -> Invocation:
    """
    Return the same call in another checkout.

    Args:
        call: How the candidate's pytest is called.
        tree: The top of the other checkout.

    Returns:
        Folders and paths of tests lie in the other checkout; options that name other files keep meaning those.
    """
    folder = _relocated(call.folder, call.tree, tree)
    positional = tuple(_positional(word, call.tree, tree) for word in call.positional)
    arguments = tuple(_arguments(call, folder, tree))
    return Invocation(arguments, positional, folder, _relocated(call.root, call.tree, tree), tree)


def _arguments(call: Invocation, folder: Path, tree: Path) -> Iterator[str]:
    before = ""
    for word in call.arguments:
        flag, equals, value = word.partition("=")
        if word in call.positional or before in _PATH_OPTIONS:
            yield _positional(word, call.tree, tree)
        elif equals and flag in _PATH_OPTIONS:
            yield f"{flag}={_positional(value, call.tree, tree)}"
        elif flag.startswith("-") and equals:
            yield f"{flag}={_kept(value, call.folder, folder)}"
        else:
            yield word if word.startswith("-") else _kept(word, call.folder, folder)
        before = word


def _positional(word: str, old: Path, new: Path) -> str:
    path, separator, test = word.partition("::")
    return str(_relocated(Path(path), old, new)) + separator + test if Path(path).is_absolute() else word


def _relocated(path: Path, old: Path, new: Path) -> Path:
    return new / path.relative_to(old) if path.is_relative_to(old) else path


def _kept(word: str, old_folder: Path, new_folder: Path) -> str:
    """Return an option's value so that a relative path still leads to the same file; other values as they are."""
    if not word or Path(word).is_absolute() or len(word) > 1000 or "\0" in word:
        return word
    here = old_folder / word
    return str(here) if here.exists() and not (new_folder / word).exists() else word


def worker_environment(side: Side, settings: str) -> dict[str, str]:
    """Return the environment of a side's child; `settings` is what its plugin is told, as JSON."""
    worker_modules = str(Path(__file__).parents[1] / "worker")
    paths = [worker_modules, *side.python_path, *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "RUNOFF_GATE_WORKER": settings, "PYTHONUTF8": "1"}


def candidate_side(call: Invocation) -> Side:
    """Return the side that is judged: this interpreter in this tree."""
    return Side("candidate", "candidate", sys.executable, call)
