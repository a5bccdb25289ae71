"""Hearing of the parent's death, also while stopped."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

# linux/prctl.h
_PR_SET_PDEATHSIG = 1


def call_on_parent_death(function: Callable[[], None]) -> None:
    """
    Have a function called in the main thread when this process loses its parent; where it is Linux.

    The kernel sends SIGCONT, which wakes a stopped process, and which does nothing to one that was wrongly woken: the
    kernel also sends it when only the thread that started this process ends. SIGKILL would hit then, too.

    Args:
        function: What to do then.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid()

    def check(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's signature
        if os.getppid() != parent:
            function()

    signal.signal(signal.SIGCONT, check)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGCONT)
