"""`runoff serve` as a user types it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SERVE = [sys.executable, "-m", "runoff", "serve"]


def run_serve(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run it to its end."""
    return subprocess.run([*SERVE, *words], capture_output=True, text=True, timeout=120, check=False)


@contextmanager
def serving(*words: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run it on a free port; yields the process and its ready line."""
    pipe = subprocess.PIPE
    with subprocess.Popen([*SERVE, *words, "--port", "0"], stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline()
        finally:
            process.kill()
