"""The worker pool starts new workers while the old ones shut down, and leaves no worker running."""

import pytest

from runoff.gate.run.worker_channel import WorkerLost
from runoff.gate.run.worker_pool import WorkerPool


class FakeWorkers:
    """Fake workers that log each call of the pool."""

    def __init__(self, name: str, events: list[str]) -> None:
        self._name, self._events = name, events
        events.append(f"start {name}")

    def disconnect(self) -> None:
        self._events.append(f"disconnect {self._name}")

    def stop(self) -> None:
        self._events.append(f"stop {self._name}")


def pool_of(events: list[str], *names: str) -> WorkerPool:
    """Return a pool that gives its workers these names in turn. A worker with the name "lost" fails to start."""
    remaining = iter(names)

    def start(_: list[str]) -> FakeWorkers:
        name = next(remaining)
        if name == "lost":
            raise WorkerLost("ended")
        return FakeWorkers(name, events)

    return WorkerPool(start)  # type: ignore[arg-type]  # has the methods of WorkerSet that a pool calls


def test_old_workers_shut_down_while_new_ones_start() -> None:
    """Shutdown and start overlap to save time, but the old workers must have ended before the new ones are timed."""
    events: list[str] = []
    with pool_of(events, "first", "second") as pool:
        pool.start_next([])
        pool.start_next([])
        assert ["start first", "disconnect first", "start second", "stop first"] == events
    assert "stop second" == events[-1]


def test_old_workers_are_stopped_even_if_new_ones_cannot_start() -> None:
    """If new workers fail to start, the old workers and their servers must not be left running."""
    events: list[str] = []
    with pool_of(events, "first", "lost") as pool:
        pool.start_next([])
        with pytest.raises(WorkerLost):
            pool.start_next([])
    assert ["start first", "disconnect first", "stop first"] == events
