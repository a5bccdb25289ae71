"""One trio after the other: nothing is timed beside children that still end, and none is left behind."""

import pytest

from runoff.gate.run.channel import WorkerLost
from runoff.gate.run.worker_pool import WorkerPool


class FakeTrio:
    """Notes what is done to it."""

    def __init__(self, name: str, told: list[str]) -> None:
        self._name, self._told = name, told
        told.append(f"start {name}")

    def hang_up(self) -> None:
        self._told.append(f"hang up {self._name}")

    def stop(self) -> None:
        self._told.append(f"stop {self._name}")


def relay_of(told: list[str], *starts: str) -> WorkerPool:
    """Make a relay whose trios have these names; one of the name "lost" cannot be started."""
    names = iter(starts)

    def start(_: list[str]) -> FakeTrio:
        name = next(names)
        if name == "lost":
            raise WorkerLost("ended")
        return FakeTrio(name, told)

    return WorkerPool(start)  # type: ignore[arg-type]  # as much of a trio as a relay needs


def test_last_children_end_while_the_next_ones_start() -> None:
    """And are gone before these are handed out."""
    told: list[str] = []
    with relay_of(told, "first", "second") as relay:
        relay.next([])
        relay.next([])
        assert ["start first", "hang up first", "start second", "stop first"] == told
    assert "stop second" == told[-1]


def test_children_that_end_are_seen_off_where_the_next_cannot_be_started() -> None:
    """An error must not leave a server behind."""
    told: list[str] = []
    with relay_of(told, "first", "lost") as relay:
        relay.next([])
        with pytest.raises(WorkerLost):
            relay.next([])
    assert ["start first", "hang up first", "stop first"] == told
