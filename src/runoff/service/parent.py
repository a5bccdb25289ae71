"""Ending with the process that launched this one, however that ends and whatever this one is doing."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

# Run in front of a command: has the kernel send SIGCONT to it when its parent dies, also if it is stopped just then, by
# PR_SET_PDEATHSIG of linux/prctl.h, which stays through exec. SIGCONT wakes a stopped process and does nothing to one
# that is wrongly told: the kernel also tells when only the thread ends that started this process, where SIGKILL would
# hit. With -I and -S, which skip everything that a user may have put into Python's start, this is set within
# milliseconds.
PARENT_DEATH_SIGNAL = (
    "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGCONT); os.execv(sys.argv[1], sys.argv[1:])"
)


def _end_at_once() -> None:
    # Without flushing: the main thread may be stuck in the middle of a write.
    os._exit(0)


_on_orphaned: Callable[[], None] = _end_at_once


def command_that_ends_with_parent(words: list[str]) -> list[str]:
    """Return a command, its program by path, with what must come before it so that the kernel tells of orphanage."""
    if sys.platform != "linux":
        return words
    return [sys.executable, "-I", "-S", "-c", PARENT_DEATH_SIGNAL, *words]


def watch(parent_pid: int) -> None:
    """
    End this process when its parent has ended: now, or when standard input closes, or when the kernel tells.

    Args:
        parent_pid: The process that holds the other end of standard input.
    """
    if sys.platform == "linux":
        # A child of the parent's may hold the other end of standard input, too, and a stopped process reads nothing.
        def check(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's signature
            if os.getppid() != parent_pid:
                _on_orphaned()

        signal.signal(signal.SIGCONT, check)
        if os.getppid() != parent_pid:
            _end_at_once()
    threading.Thread(target=_read_stdin, name="stdin", daemon=True).start()


def when_orphaned(function: Callable[[], None]) -> None:
    """Have a function called, in any thread and between any two steps of the main one, in place of ending at once."""
    global _on_orphaned  # noqa: PLW0603 - a process has one parent
    _on_orphaned = function


def _read_stdin() -> None:
    # The plain descriptor: Python's own stdin object would be locked by this thread at exit.
    while os.read(0, 4096):
        pass
    _on_orphaned()
