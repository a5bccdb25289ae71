"""Who runs on which core: the sides share one, their servers and the coordinator have the others."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class CoreAssignment:
    """
    The cores of a duel; all empty where they cannot be chosen.

    Attributes:
        usable: Every core this process may use.
        duel: The one that the sides share while they are timed.
        others: For the processes that they start, and for the coordinator.
        note: What the user has to know; empty if the cores could be chosen well.
    """

    usable: tuple[int, ...] = ()
    duel: tuple[int, ...] = ()
    others: tuple[int, ...] = ()
    note: str = ""

    def home(self, index: int) -> tuple[int, ...]:
        """Return where a child does what is not timed: one core each, so that three do not wait for each other."""
        return (self.usable[index % len(self.usable)],) if self.usable else ()

    @contextmanager
    def coordinating(self) -> Iterator[None]:
        """Keep the calling thread off the duel's core."""
        if not self.others:
            yield
            return
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self.others)
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)


def choose() -> CoreAssignment:
    """Choose the cores of a duel on this machine."""
    if not hasattr(os, "sched_setaffinity"):
        return CoreAssignment(note="this system does not let cores be chosen: more noise, so more often inconclusive")
    usable = tuple(sorted(os.sched_getaffinity(0)))
    if len(usable) == 1:
        return CoreAssignment(note="only one core: servers share it with what is timed, so more often inconclusive")
    # The last: interrupts and most of the system's own work go to the first.
    return CoreAssignment(usable, usable[-1:], usable[:-1])
