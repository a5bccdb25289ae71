"""Ends a service process when the process that launched it ends, even if either was killed, stopped or hangs."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

# Runs in front of the service's command and asks Linux to send SIGCONT to the process when its parent dies. The
# setting, PR_SET_PDEATHSIG (1) of prctl(2), survives exec. SIGCONT wakes a stopped process. The kernel also sends it
# when only the thread that started the process ends: SIGCONT is harmless then, while SIGKILL would end a used service.
# With -I and -S Python skips user customisation such as sitecustomize, so the setting is made within milliseconds.
_REQUEST_PARENT_DEATH_SIGNAL = (
    "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGCONT); os.execv(sys.argv[1], sys.argv[1:])"
)


def _exit_immediately() -> None:
    # Standard output is not flushed, because the main thread may be blocked in a write.
    os._exit(0)


# Called when the parent has ended, in any thread or in a signal handler. `lifecycle` replaces it by a shutdown.
orphan_handler: Callable[[], None] = _exit_immediately


def with_parent_death_signal(command: list[str]) -> list[str]:
    """Return a command that runs `command`, a program given by its path, and on Linux signals its parent's death."""
    if sys.platform != "linux":
        return command
    return [sys.executable, "-I", "-S", "-c", _REQUEST_PARENT_DEATH_SIGNAL, *command]


def watch(parent_pid: int) -> None:
    """
    Start to watch the parent process, and call the orphan handler when it has ended.

    The parent has ended when standard input closes, or when SIGCONT arrives and this process has a different parent.
    Either alone misses a case: another child of the parent may hold the pipe open, and a stopped process reads nothing.

    Args:
        parent_pid: The process that holds the other end of standard input.
    """
    if sys.platform == "linux":

        def check_parent(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's signature
            if os.getppid() != parent_pid:
                orphan_handler()

        signal.signal(signal.SIGCONT, check_parent)
        if os.getppid() != parent_pid:
            _exit_immediately()
    threading.Thread(target=_read_stdin, name="stdin", daemon=True).start()


def _read_stdin() -> None:
    # sys.stdin is not used, because this thread would hold its lock when the interpreter exits.
    while os.read(0, 4096):
        pass
    orphan_handler()
