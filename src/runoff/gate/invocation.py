"""The pytest command line that the user typed: its arguments, its folders, and the tests that it selects."""

import os
from collections.abc import Callable

import pytest

from runoff.gate.baseline.side import Invocation
from runoff.gate.baseline.worktree import git_top_level


def invocation_of(config: pytest.Config) -> Invocation:
    """Return the command line of this pytest session, and the checkout in which it runs."""
    parameters = config.invocation_params
    root = config.rootpath.resolve()
    tree = (git_top_level(root) or root).resolve()
    positional = tuple(config.option.file_or_dir or ())
    return Invocation(tuple(map(str, parameters.args)), positional, parameters.dir.resolve(), root, tree)


def selector_of(invocation: Invocation) -> Callable[[str], bool]:
    """
    Return a function that takes a test id and returns whether the user's command line selects it.

    Workers collect whole files, even if the user named single tests. A test that only the baseline has is then reported
    as `missing` only if the user named it.
    """
    tests = [argument.partition("::") for argument in invocation.positional]
    if not tests or not all(separator for _, separator, _ in tests):
        return lambda _: True
    paths = [os.path.relpath(invocation.folder / path, invocation.root).replace(os.sep, "/") for path, _, _ in tests]
    prefixes = [f"{path}::{test}" for path, (_, _, test) in zip(paths, tests, strict=True)]
    return lambda case: any(case == each or case.startswith((f"{each}::", f"{each}[")) for each in prefixes)
