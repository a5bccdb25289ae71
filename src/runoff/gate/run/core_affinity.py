"""Which CPU cores the gate uses: all sides are timed on one core; everything else runs on the other cores."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class CoreAssignment:
    """
    Core numbers by purpose; all empty where the system does not support CPU affinity.

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
        """Return the core for a worker's untimed code: a different one per worker, so that they set up in parallel."""
        return (self.usable[index % len(self.usable)],) if self.usable else ()

    @contextmanager
    def keep_off_timed_core(self) -> Iterator[None]:
        """Run the calling thread on the other cores while the context is open."""
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
    """Divide this machine's cores between timed and other code."""
    if not hasattr(os, "sched_setaffinity"):
        return CoreAssignment(note="this system has no CPU affinity: timings are noisier and more often inconclusive")
    usable = tuple(sorted(os.sched_getaffinity(0)))
    if len(usable) == 1:
        return CoreAssignment(note="only one core: servers share it with the timed code, so more is inconclusive")
    # Time on the last core, because interrupts and most system services run on the first.
    return CoreAssignment(usable, usable[-1:], usable[:-1])
