"""Where a child of the gate, and the processes that it starts, run; needs the standard library only."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


class Cores:
    """Where this process and those that it starts run; does nothing where cores cannot be chosen."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """Take the coordinator's settings; move to the home core."""
        self._home, self._duel, self._others, self._all = (
            set(settings.get(key) or ()) for key in ("home_cores", "duel_cores", "other_cores", "all_cores")
        )
        self.pinned = bool(self._duel) and hasattr(os, "sched_setaffinity")
        if self.pinned:
            # Libraries size their pools by the cores they see when they are loaded: one, as in the duel.
            os.sched_setaffinity(0, self._home)
            self._let_new_processes_choose()

    def _let_new_processes_choose(self) -> None:
        """Start other processes (servers) with all cores; they are moved off the duel's core before it begins."""
        start = subprocess.Popen.__init__
        cores = self

        @functools.wraps(start)
        def start_unpinned(self: Any, *args: Any, **kwargs: Any) -> None:
            before = os.sched_getaffinity(0)
            os.sched_setaffinity(0, cores._all)
            try:
                start(self, *args, **kwargs)
            finally:
                os.sched_setaffinity(0, before)

        subprocess.Popen.__init__ = start_unpinned  # type: ignore[method-assign]  # there is no hook for it
        os.register_at_fork(after_in_child=lambda: os.sched_setaffinity(0, cores._all))

    @contextmanager
    def in_duel(self) -> Iterator[None]:
        """Be on the duel's core with every thread, and have every descendant on the others."""
        if not self.pinned:
            yield
            return
        started = descendants(os.getpid())
        pin(os.getpid(), self._duel)
        for pid in started:
            pin(pid, self._others)
        try:
            yield
        finally:
            pin(os.getpid(), self._home)
            # What comes now is not timed, and three servers on one core would wait for each other.
            for pid in started:
                pin(pid, self._all)


def pin(pid: int, cores: set[int]) -> None:
    """Bind every thread of a process to cores; one that ends meanwhile needs none."""
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError):
                os.sched_setaffinity(int(thread), cores)


def descendants(root: int) -> list[int]:
    """Return the ids of all processes that a process started, directly or not; empty where /proc does not tell."""
    children: dict[int, list[int]] = {}
    with suppress(OSError):
        for name in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError, ValueError, IndexError):
                # The name in parentheses may hold anything; what follows the last one is state and parent.
                parent = int(Path(f"/proc/{name}/stat").read_text(errors="replace").rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found = list(children.get(root, ()))
    for pid in found:
        found += children.get(pid, ())
    return found
