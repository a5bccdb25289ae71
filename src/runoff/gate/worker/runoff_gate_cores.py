"""Pin a gate worker, and the processes that it starts, to CPU cores. Uses only the standard library."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


class CorePinning:
    """Moves this process and its descendants between cores. It does nothing if the settings contain no cores."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """Read the coordinator's settings, and move this process to its core for set-up."""
        self._set_up, self._timed, self._others, self._usable = (
            set(settings.get(key) or ()) for key in ("set_up_cores", "timed_cores", "other_cores", "usable_cores")
        )
        self.active = bool(self._timed) and hasattr(os, "sched_setaffinity")
        if self.active:
            # When libraries are loaded, they start one thread per usable core. Allow only one core now, because timed
            # code will have only one.
            os.sched_setaffinity(0, self._set_up)
            self._let_new_processes_use_all_cores()

    def _let_new_processes_use_all_cores(self) -> None:
        """Let new processes, such as servers, start on all cores. Later, `timed` moves them off the timed core."""
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
        """In a `with` block, keep this process's threads on the timed core and its descendants on the other cores."""
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
            # Set-up and teardown are not timed, so servers may use all cores again.
            for pid in started:
                pin(pid, self._usable)


def pin(pid: int, cores: set[int]) -> None:
    """Pin every thread of a process to the given cores. Ignore threads that end meanwhile."""
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError):
                os.sched_setaffinity(int(thread), cores)


def descendants(root: int) -> list[int]:
    """Return the ids of a process's children, their children, and so on. Without /proc, the list is empty."""
    children: dict[int, list[int]] = {}
    with suppress(OSError):
        for name in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError, ValueError, IndexError):
                # The file contains the process's name in parentheses, and the name may contain parentheses too. The
                # state and the parent's id follow the last closing parenthesis.
                parent = int(Path(f"/proc/{name}/stat").read_text(errors="replace").rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found = list(children.get(root, ()))
    for pid in found:
        found += children.get(pid, ())
    return found
