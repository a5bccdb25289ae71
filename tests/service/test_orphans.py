"""A service process ends when its parent ends, even if the parent is killed or the service is suspended."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from runoff.errors import ServiceError
from runoff.service.launcher import RunningService, launch
from tests.support.parents import parent_of_service
from tests.support.services import call, wait_until

linux_only = pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux's signal at a parent's death")


def assert_ends(pid: int) -> None:
    """Wait until a process has ended. Unlike os.waitpid(), this works for processes other than children, too."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail(f"process {pid} was left behind")


def wait_until_stopped(pid: int) -> None:
    wait_until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Make SIGINT raise KeyboardInterrupt, even if pytest runs as a background job, for which shells ignore SIGINT."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


# Replaces signal.signal, so that every signal handler set later creates a file when it has run.
RECORD_HANDLED_SIGNALS = """
import signal
set_handler = signal.signal
def set_recording_handler(number, handler):
    def handle(*arguments):
        handler(*arguments)
        open({path!r}, "w").close()
    set_handler(number, handle)
signal.signal = set_recording_handler
"""
# The tests suspend or block a service while it imports one of these modules. Python imports the first one at its start;
# runoff imports the second one early and the third one late.
IMPORTED = ["sitecustomize", "numpy", "threadpoolctl"]


def test_service_ends_with_its_killed_parent(model_path: Path) -> None:
    """A run that is killed with SIGKILL cannot stop its service, which would then occupy a GPU for days."""
    with parent_of_service(model_path) as (parent, pid):
        assert parent.stdout is not None
        assert "ready\n" == parent.stdout.readline()
        parent.kill()
    assert_ends(pid)


@pytest.mark.parametrize("module", IMPORTED[1:])
def test_service_that_hangs_while_starting_ends_with_its_killed_parent(
    model_path: Path, tmp_path: Path, module: str
) -> None:
    """An import may hang at the start, so the service must begin to watch its parent before large imports."""
    (tmp_path / f"{module}.py").write_text(f"import time; open({str(tmp_path / 'hangs')!r}, 'w'); time.sleep(600)")
    with parent_of_service(model_path, python_path=tmp_path) as (parent, pid):
        wait_until((tmp_path / "hangs").exists)
        parent.kill()
    assert_ends(pid)


@linux_only
def test_stopped_service_ends_with_its_killed_parent(model_path: Path) -> None:
    """A suspended process neither notices a closed pipe nor handles SIGTERM, so the kernel must wake it."""
    with parent_of_service(model_path) as (parent, pid):
        assert parent.stdout is not None
        assert "ready\n" == parent.stdout.readline()
        os.kill(pid, signal.SIGSTOP)
        wait_until_stopped(pid)
        parent.kill()
    assert_ends(pid)


@linux_only
@pytest.mark.parametrize("module", IMPORTED)
def test_service_stopped_while_starting_ends_with_its_killed_parent(
    model_path: Path, tmp_path: Path, module: str
) -> None:
    """A service can be suspended at any moment, even while it imports modules, and must end nevertheless."""
    code = "import os, signal, time; os.kill(os.getpid(), signal.SIGSTOP)"
    (tmp_path / f"{module}.py").write_text(code + ("" if module == "sitecustomize" else "; time.sleep(600)"))
    with parent_of_service(model_path, python_path=tmp_path) as (parent, pid):
        wait_until_stopped(pid)
        parent.kill()
    assert_ends(pid)


@linux_only
@pytest.mark.parametrize("moment", ["ready", "starting"])
def test_service_ends_with_its_parent_though_a_child_holds_the_pipe(
    model_path: Path, tmp_path: Path, moment: str
) -> None:
    """A forked child of the launcher keeps the service's standard input open, so the service gets no end of file."""
    if moment == "starting":
        # The service suspends itself before it imports runoff. Its parent's death wakes it once, and no second signal
        # comes.
        (tmp_path / "sitecustomize.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)")
    with parent_of_service(model_path, "with-fork", python_path=tmp_path) as (parent, pid):
        assert parent.stdout is not None
        sibling = int(parent.stdout.readline())
        if moment == "ready":
            assert "ready\n" == parent.stdout.readline()
        else:
            wait_until_stopped(pid)
        parent.kill()
    try:
        assert_ends(pid)
    finally:
        os.kill(sibling, signal.SIGKILL)


@linux_only
def test_service_outlives_the_thread_that_launched_it(model_path: Path, tmp_path: Path) -> None:
    """Linux sends the parent-death signal even if just one thread of the parent ends. The service must keep running."""
    handled = tmp_path / "handled"
    (tmp_path / "sitecustomize.py").write_text(RECORD_HANDLED_SIGNALS.format(path=str(handled)))
    with parent_of_service(model_path, "in-thread", python_path=tmp_path) as (parent, pid):
        assert parent.stdout is not None
        assert "ready\n" == parent.stdout.readline()
        address = parent.stdout.readline().strip()
        wait_until(handled.exists)
        # If the signal had made the service shut down, it would refuse one of these calls.
        for _ in range(20):
            call(address, "Check", b"", service="grpc.health.v1.Health")
        parent.kill()
    assert_ends(pid)


def test_service_that_hangs_while_starting_is_ended(
    model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A suspended process does not handle SIGTERM, so SIGKILL must follow."""
    (tmp_path / "sitecustomize.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    before = children()
    with pytest.raises(ServiceError, match="was not ready after 1 s"):
        launch("numpy", [model_path], start_timeout_s=1)
    assert before == children()


@pytest.mark.usefixtures("interruptible")
def test_interrupted_start_leaves_no_service(model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow takes seconds to load, so users may press Ctrl-C during the start. No service may be left running."""
    (tmp_path / "threadpoolctl.py").write_text("import time; time.sleep(600)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    before = children()
    with pytest.raises(KeyboardInterrupt):
        launch("numpy", [model_path], on_progress=lambda _: signal.raise_signal(signal.SIGINT))
    assert before == children()


def test_interrupted_stop_leaves_no_service(running: RunningService) -> None:
    """A second Ctrl-C may arrive while the launcher waits for a hung service, which must still be killed."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    os.kill(running.process.pid, signal.SIGSTOP)
    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            running.stop(timeout_s=600)
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert -signal.SIGKILL == running.process.returncode
