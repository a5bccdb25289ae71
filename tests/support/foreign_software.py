"""
Installs third-party clients and servers for tests, each in a folder outside the environment that runs the tests.

They may need other versions of libraries that runoff uses, so each gets a folder of its own. The folders are kept
between runs.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from runoff.files.file_lock import hold_lock
from tests.support.test_size import FULL_SIZE

# The folder of all installations. A CI service can set RUNOFF_TEST_ENVS to a folder that it keeps between runs.
CACHE = Path(os.environ.get("RUNOFF_TEST_ENVS") or Path(__file__).parents[2] / ".tox" / "foreign")
_COMMAND_TIMEOUT_S = 240


def foreign_python(name: str, *installs: Sequence[str], full_size_only: bool = True) -> Path:
    """
    Return the interpreter of a virtual environment with some packages. Skip the test if they cannot be installed.

    Args:
        name: Name of the environment, for its folder and for messages.
        installs: The arguments of each `pip install`. Only wheels are installed, so nothing is compiled.
        full_size_only: Whether to skip the test unless RUNOFF_FULL_TESTS=1 is set.
    """
    if full_size_only:
        skip_unless_full_size(name)
    folder = _folder(name, (sys.version, installs))
    python = folder / "bin" / "python"
    # The pip of the current environment can install into the new one, so the new one needs no pip of its own.
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "--disable-pip-version-check"]
    options = ["--retries", "2", "--only-binary", ":all:"]
    create = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    _install_once(name, folder, [create, *([*pip, "install", *options, *packages] for packages in installs)])
    return python


def node_modules(*packages: str) -> Path:
    """Return a `node_modules` folder with some npm packages. Skip the test if they cannot be installed."""
    skip_unless_full_size(" and ".join(packages))
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("needs node and npm")
    folder = _folder("node", packages)
    options = "--no-audit --no-fund --ignore-scripts --no-package-lock --fetch-retries=2"
    _install_once("node", folder, [[npm, "install", *options.split(), "--prefix", str(folder), *packages]])
    return folder / "node_modules"


def skip_unless_full_size(name: str) -> None:
    """Skip the test unless RUNOFF_FULL_TESTS=1 is set."""
    if not FULL_SIZE:
        pytest.skip(f"set RUNOFF_FULL_TESTS=1 to install {name} and run this")


def _folder(name: str, recipe: object) -> Path:
    """Return an installation's cache folder. A hash of the recipe is in its name, so a new recipe gets a new folder."""
    return CACHE / f"{name}-{hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]}"


def _install_once(name: str, folder: Path, commands: Sequence[Sequence[str]]) -> None:
    """Run the commands that fill a folder, unless an earlier test run has already completed them."""
    done = folder / "done"
    CACHE.mkdir(parents=True, exist_ok=True)
    # Several test processes may need the same installation, so the first process installs and the others wait.
    with hold_lock(CACHE / f"{folder.name}.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            for command in commands:
                _run_or_skip(name, command)
            done.touch()


def _run_or_skip(name: str, command: Sequence[str]) -> None:
    """Run a command. If it fails, skip the test with the last line of the command's output."""
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_COMMAND_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"{name} cannot be installed: the installation took more than {_COMMAND_TIMEOUT_S} s")
    if result.returncode:
        lines = [line for line in (result.stderr or result.stdout).splitlines() if line.strip()]
        pytest.skip(f"{name} cannot be installed: {lines[-1] if lines else f'exit code {result.returncode}'}")
