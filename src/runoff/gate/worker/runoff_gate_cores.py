"""Pins a worker process of the gate, and the processes that it starts, to CPU cores. Standard library only."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


class CorePinning:
    """Moves this process and its descendants between cores; does nothing if the settings name no cores."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """Read the coordinator's settings, and move this process to its core for set-up."""
        self._set_up, self._timed, self._others, self._usable = (
            set(settings.get(key) or ()) for key in ("set_up_cores", "timed_cores", "other_cores", "usable_cores")
        )
        self.active = bool(self._timed) and hasattr(os, "sched_setaffinity")
        if self.active:
            # Libraries start as many threads as they find cores when they are loaded. They must find one core here,
            # because timed code has only one.
            os.sched_setaffinity(0, self._set_up)
            self._let_new_processes_use_all_cores()

    def _let_new_processes_use_all_cores(self) -> None:
        """Start other processes, such as servers, with all cores; `timed` later moves them off the timed core."""
        start = subprocess.Popen.__init__
        usable = self._usable

        @functools.wraps(start)
        def start_unpinned(self: Any, *args: Any, **kwargs: Any) -> None:
            before = os.sched_getaffinity(0)
            os.sched_setaffinity(0, usable)
            try:
                start(self, *args, **kwargs)
            finally:
                os.sched_setaffinity(0, before)

        subprocess.Popen.__init__ = start_unpinned  # type: ignore[method-assign]  # subprocess offers no hook
        os.register_at_fork(after_in_child=lambda: os.sched_setaffinity(0, usable))

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Keep all threads of this process on the timed core, and all its descendants on the other cores."""
        if not self.active:
            yield
            return
        started = descendants(os.getpid())
        pin(os.getpid(), self._timed)
        for pid in started:
            pin(pid, self._others)
        try:
            yield
        finally:
            pin(os.getpid(), self._set_up)
            # Set-up and teardown are not timed. Servers of all three workers may use all cores for them.
            for pid in started:
                pin(pid, self._usable)


def pin(pid: int, cores: set[int]) -> None:
    """Bind every thread of a process to some cores; threads that end meanwhile are ignored."""
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError):
                os.sched_setaffinity(int(thread), cores)


def descendants(root: int) -> list[int]:
    """Return the ids of all processes that a process started, directly or not; empty on systems without /proc."""
    children: dict[int, list[int]] = {}
    with suppress(OSError):
        for name in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError, ValueError, IndexError):
                # The process's name, in parentheses, may itself contain parentheses. The state and the parent's id
                # follow the last one.
                parent = int(Path(f"/proc/{name}/stat").read_text(errors="replace").rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found = list(children.get(root, ()))
    for pid in found:
        found += children.get(pid, ())
    return found
