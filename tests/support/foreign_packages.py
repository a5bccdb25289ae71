"""Packages of other ecosystems, installed once into the checkout's cache, each in a folder of its own."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[2] / ".cache" / "foreign_clients"
# Long enough for a slow registry; where there is none, the wait is short.
_INSTALL_TIMEOUT_S = 90


def node_modules(*packages: str) -> Path:
    """Return a folder with npm packages; skip the test with the reason where they cannot be had."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("needs node and npm")
    options = "--no-audit --no-fund --ignore-scripts --no-package-lock --fetch-retries=0 --fetch-timeout=20000"
    return _installed("node", packages, lambda to: [npm, "install", *options.split(), "--prefix", to, *packages])


def python_packages(*packages: str) -> Path:
    """Return a folder with packages for `python -S`; skip the test with the reason where they cannot be had."""
    options = "--quiet --disable-pip-version-check --retries=0 --timeout=20"
    command = [sys.executable, "-m", "pip", "install", *options.split(), "--target"]
    return _installed(f"python3.{sys.version_info.minor}", packages, lambda to: [*command, to, *packages])


def _installed(kind: str, packages: tuple[str, ...], command: Callable[[str], list[str]]) -> Path:
    """Return the folder of earlier, or fill one by a command that is given where to."""
    name = f"{kind}-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:12]}"
    folder = CACHE / name
    if folder.exists():
        return folder
    try:
        CACHE.mkdir(parents=True, exist_ok=True)
        # Complete or not at all, whoever else installs at this moment.
        with tempfile.TemporaryDirectory(dir=CACHE, ignore_cleanup_errors=True) as parent:
            new = Path(parent) / name
            new.mkdir()
            subprocess.run(command(str(new)), check=True, capture_output=True, timeout=_INSTALL_TIMEOUT_S)
            with suppress(OSError):
                new.rename(folder)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or b""
        pytest.skip(f"cannot install {' '.join(packages)}: {said.decode(errors='replace')[-300:] or error}")
    return folder
