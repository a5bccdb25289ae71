"""When the gate is stopped by Ctrl-C or SIGKILL, its worker processes end too."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.support.gated_suites import FIVE_AND_THREE_BLOCKS, environment, gate_command, make_suite

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")

# Python ignores SIGINT if its parent process does, for example a shell that runs the tests as a background job.
# This launcher restores the default handling of SIGINT before it starts the gate.
_WITH_SIGINT = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
)


@contextmanager
def running_gate(tmp_path: Path, benchmark: str, until: str) -> Iterator["subprocess.Popen[str]"]:
    """Gate one benchmark. Yield the gate's process once its output contains `until` and its workers are running."""
    folder = make_suite(tmp_path / "suite", f"def test_some(benchmark): {benchmark}")
    command = [sys.executable, "-c", _WITH_SIGINT, *gate_command("--gate-against", "HEAD")]
    with subprocess.Popen(
        command,
        cwd=folder,
        # With so many blocks, the gate cannot finish before the test sends its signal, however slow the test is.
        env=environment(folder, {**FIVE_AND_THREE_BLOCKS, "first_blocks": 1000}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as run:
        assert run.stdout
        while until not in run.stdout.readline():
            assert run.poll() is None
        while not workers_of(tmp_path):
            assert run.poll() is None
            time.sleep(0.1)
        yield run


def workers_of(folder: Path) -> list[psutil.Process]:
    """Return the gate's worker processes whose working directory is inside a folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if "runoff_gate_worker" in process.cmdline() and process.cwd().startswith(str(folder)):
                found.append(process)
    return found


def test_ctrl_c_ends_the_workers_with_pytests_exit_code(tmp_path: Path) -> None:
    """Ctrl-C must end a gated run like any pytest run, and no worker may go on measuring in the background."""
    with running_gate(tmp_path, "benchmark(work, 500)", "block 1 of 1000") as run:
        run.send_signal(signal.SIGINT)
        output = run.communicate(timeout=120)[0]
    assert pytest.ExitCode.INTERRUPTED == run.returncode, output
    assert [] == workers_of(tmp_path), output
    assert [] == list((tmp_path / "cache" / "gate" / "trees").iterdir())


def test_workers_end_when_the_gate_is_killed(tmp_path: Path) -> None:
    """CI systems kill jobs with SIGKILL. Workers must then end too, even in the middle of a long call."""
    with running_gate(tmp_path, "benchmark(lambda: (open('called', 'w').close(), time.sleep(600)))", "plan:") as run:
        while not (tmp_path / "suite" / "called").exists():
            assert run.poll() is None
            time.sleep(0.1)
        run.kill()
    deadline = time.monotonic() + 120
    while workers_of(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.2)
