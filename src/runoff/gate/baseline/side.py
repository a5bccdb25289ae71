"""One side of the comparison (candidate or baseline), and the command that starts its pytest workers."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# pytest options whose values are paths in the checkout. The baseline gets the same paths in its own checkout.
_CHECKOUT_PATH_OPTIONS = ("-c", "--config-file", "--rootdir", "--confcutdir")


@dataclass(frozen=True)
class Invocation:
    """
    A pytest command line and the folders that it refers to.

    Attributes:
        arguments: All command-line arguments of pytest.
        positional: The arguments that select tests (paths and test ids), as the user typed them.
        folder: The working directory.
        root: pytest's rootdir, to which test ids are relative.
        tree: The top folder of the checkout: git's top level, or `root` outside a repository.
    """

    arguments: tuple[str, ...]
    positional: tuple[str, ...]
    folder: Path
    root: Path
    tree: Path

    @property
    def options(self) -> list[str]:
        """All command-line arguments except those that select tests."""
        # Remove the last occurrence of each test path: an earlier occurrence may be the value of an option.
        kept = list(reversed(self.arguments))
        for argument in self.positional:
            if argument in kept:
                kept.remove(argument)
        return kept[::-1]


@dataclass(frozen=True)
class Side:
    """
    Everything needed to run the tests of one side, the candidate or the baseline.

    Attributes:
        name: `candidate` or `baseline`, for messages.
        label: The side as the user named it.
        python: Path of the side's interpreter.
        invocation: The side's pytest command line, with the folders of the side's checkout.
        python_path: Folders to put before the interpreter's own folders in sys.path.
        set_options: Values that replace the user's values of pytest options, by the options' `dest`.
    """

    name: str
    label: str
    python: str
    invocation: Invocation
    python_path: tuple[str, ...] = ()
    set_options: dict[str, Any] = field(default_factory=dict)

    def command(self, files: Sequence[str]) -> list[str]:
        """Return the command of a worker that collects `files` (relative to the rootdir), or the user's selection."""
        invocation = self.invocation
        if files:
            # If pytest is given a file that does not exist, it runs nothing, so leave such files out.
            paths = [str(invocation.root / file) for file in files if (invocation.root / file).exists()]
        else:
            paths = list(dict.fromkeys(argument.partition("::")[0] for argument in invocation.positional))
            paths = [path for path in paths if (invocation.folder / path).exists()]
        # Put paths first: after an option with many values, such as --model, pytest would read paths as its values.
        worker = [self.python, "-m", "pytest", "-p", "runoff_gate_worker"]
        return [*worker, *paths, *invocation.options, "--rootdir", str(invocation.root)]


def worker_environment(side: Side, settings: str) -> dict[str, str]:
    """Return the environment variables of a worker. `settings` is the JSON text that the worker's plugin reads."""
    worker_modules = str(Path(__file__).parents[1] / "worker")
    paths = [worker_modules, *side.python_path, *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "RUNOFF_GATE_WORKER": settings, "PYTHONUTF8": "1"}


def relocate_invocation(invocation: Invocation, tree: Path) -> Invocation:
    """
    Translate a pytest command to the checkout at `tree`, so that its folders and test paths refer to that checkout.

    Values of other options, such as a model file, still refer to the candidate's files.
    """
    old = invocation.tree
    folder, root = (_relocate_path(path, old, tree) for path in (invocation.folder, invocation.root))
    positional = tuple(_relocate_test(argument, old, tree) for argument in invocation.positional)
    return Invocation(tuple(_relocate_arguments(invocation, folder, tree)), positional, folder, root, tree)


def _relocate_arguments(invocation: Invocation, folder: Path, tree: Path) -> Iterator[str]:
    previous = ""
    for argument in invocation.arguments:
        flag, equals, value = argument.partition("=")
        if argument in invocation.positional or previous in _CHECKOUT_PATH_OPTIONS:
            yield _relocate_test(argument, invocation.tree, tree)
        elif equals and flag in _CHECKOUT_PATH_OPTIONS:
            yield f"{flag}={_relocate_test(value, invocation.tree, tree)}"
        elif flag.startswith("-") and equals:
            yield f"{flag}={_same_file(value, invocation.folder, folder)}"
        else:
            yield argument if argument.startswith("-") else _same_file(argument, invocation.folder, folder)
        previous = argument


def _relocate_test(argument: str, old_tree: Path, new_tree: Path) -> str:
    """Translate an absolute path or test id to the new checkout. Return a relative path or test id unchanged."""
    path, separator, test = argument.partition("::")
    if not Path(path).is_absolute():
        return argument
    return str(_relocate_path(Path(path), old_tree, new_tree)) + separator + test


def _relocate_path(path: Path, old_tree: Path, new_tree: Path) -> Path:
    return new_tree / path.relative_to(old_tree) if path.is_relative_to(old_tree) else path


def _same_file(value: str, old_folder: Path, new_folder: Path) -> str:
    """Return an option's value. If it is a relative path that exists only in the old folder, make it absolute."""
    # Most values are not paths. Skip very long values and values with a zero byte: `exists` would raise an error.
    if not value or Path(value).is_absolute() or len(value) > 1000 or "\0" in value:
        return value
    path = old_folder / value
    return str(path) if path.exists() and not (new_folder / value).exists() else value
