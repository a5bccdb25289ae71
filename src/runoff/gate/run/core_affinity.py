"""How the gate divides CPU cores: all sides are timed on one core, and everything else runs on the others."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class CoreAssignment:
    """
    The ids of the CPU cores for each purpose. Every tuple is empty if the system does not support CPU affinity.

    Attributes:
        usable: Every core that this process may use.
        timed: The one core on which all sides run while they are timed.
        others: The remaining cores, for the processes that workers start and for the coordinator.
        note: A warning for the user if timing will be noisier than usual; otherwise empty.
    """

    usable: tuple[int, ...] = ()
    timed: tuple[int, ...] = ()
    others: tuple[int, ...] = ()
    note: str = ""

    def for_set_up(self, index: int) -> tuple[int, ...]:
        """Return the core for a worker's untimed code. Each worker gets a different core, to set up in parallel."""
        return (self.usable[index % len(self.usable)],) if self.usable else ()

    @contextmanager
    def keep_off_timed_core(self) -> Iterator[None]:
        """Keep the calling thread off the timed core for the duration of a `with` block."""
        if not self.others:
            yield
            return
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self.others)
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)


def assign_cores() -> CoreAssignment:
    """Divide this machine's cores between timed code and all other code."""
    if not hasattr(os, "sched_setaffinity"):
        return CoreAssignment(note="this system has no CPU affinity: noisier timings make more cases inconclusive")
    usable = tuple(sorted(os.sched_getaffinity(0)))
    if len(usable) == 1:
        return CoreAssignment(note="only one core: servers share it with timed code, so more cases are inconclusive")
    # Use the last core for timing, because interrupts and most system services run on the first.
    return CoreAssignment(usable, usable[-1:], usable[:-1])
