"""Runs `runoff serve` in a separate process, as a user would."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SERVE = [sys.executable, "-m", "runoff", "serve"]


def run_serve(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command until it exits."""
    return subprocess.run([*SERVE, *arguments], capture_output=True, text=True, timeout=120, check=False)


@contextmanager
def serving(*arguments: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run the command on a free port until the context ends. Yield the process and its first line of output."""
    pipe = subprocess.PIPE
    with subprocess.Popen([*SERVE, *arguments, "--port", "0"], stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline()
        finally:
            process.kill()
