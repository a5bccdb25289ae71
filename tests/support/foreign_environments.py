"""Environments of their own for software that is not ours and may want other versions of what we use."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

# Kept between runs; CI may keep it too, by naming a folder of its cache.
ENVIRONMENTS = Path(os.environ.get("RUNOFF_TEST_ENVS") or Path(__file__).parents[2] / ".tox" / "foreign")
_INSTALL_TIMEOUT_S = 240
_PIP_OPTIONS = ("--quiet", "--disable-pip-version-check", "--retries", "2", "--only-binary", ":all:")


def foreign_python(name: str, *installs: Sequence[str]) -> Path:
    """
    Return the interpreter of an environment that has some packages; skips the test where they cannot be installed.

    Args:
        name: The environment's folder.
        installs: The words of one `pip install` each; wheels only, nothing is compiled.
    """
    recipe = repr((sys.version, installs))
    folder = ENVIRONMENTS / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    python, done = folder / "bin" / "python", folder / "done"
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    with (ENVIRONMENTS / f"{folder.name}.lock").open("w") as lock:
        # Several runs may want it at once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _run(name, [sys.executable, "-m", "venv", str(folder)])
            for words in installs:
                _run(name, [str(python), "-m", "pip", "install", *_PIP_OPTIONS, *words])
            done.touch()
    return python


def _run(name: str, command: list[str]) -> None:
    """Run a command; skips the test with its last words if it fails."""
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_INSTALL_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"{name} cannot be installed: it took more than {_INSTALL_TIMEOUT_S} s")
    if result.returncode:
        said = [line for line in (result.stderr or result.stdout).splitlines() if line.strip()]
        pytest.skip(f"{name} cannot be installed: {said[-1] if said else f'exit code {result.returncode}'}")
