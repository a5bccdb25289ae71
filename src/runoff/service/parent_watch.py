"""Ends a service process when its parent process ends, even if the parent is killed or the service hangs."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

# This program asks Linux to send it SIGCONT when its parent dies, with PR_SET_PDEATHSIG (1) of prctl(2). Then it execs
# the service's command, where the request stays in force. SIGCONT wakes a suspended process. SIGKILL would be wrong,
# because Linux also sends the signal when only the thread that started the process ends, while the service is in use.
# Python's options -I and -S skip modules such as sitecustomize, so the request is made within milliseconds.
_REQUEST_PARENT_DEATH_SIGNAL = (
    "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGCONT); os.execv(sys.argv[1], sys.argv[1:])"
)


def _exit_immediately() -> None:
    # Exit without flushing standard output, because the main thread may be blocked in a write to it.
    os._exit(0)


# Called when the parent has ended, in any thread or in a signal handler. `lifecycle` replaces it with a clean shutdown.
orphan_handler: Callable[[], None] = _exit_immediately


def with_parent_death_signal(command: list[str]) -> list[str]:
    """Wrap a command so that Linux sends SIGCONT to its process when the parent dies. It must start with a path."""
    if sys.platform != "linux":
        return command
    return [sys.executable, "-I", "-S", "-c", _REQUEST_PARENT_DEATH_SIGNAL, *command]


def watch(parent_pid: int) -> None:
    """
    Start to watch the parent process. When the parent has ended, the orphan handler is called.

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
    # Use os.read: sys.stdin has a lock, which this thread would still hold when the interpreter exits and needs it.
    while os.read(0, 4096):
        pass
    orphan_handler()
