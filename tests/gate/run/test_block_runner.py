"""A block ends when its time is over or a worker misses a deadline, even if the workers hang."""

import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from runoff.gate.run.block_runner import BlockRunner
from runoff.gate.run.worker_channel import Connection, WorkerLost
from runoff.gate.run.workers import Deadlines


@pytest.fixture
def silent_workers() -> Iterator[Any]:
    """Provide three workers that never read a request or send a response."""
    pairs = [socket.socketpair() for _ in range(3)]
    connections = [Connection(ours) for ours, _ in pairs]

    def broadcast(**message: Any) -> None:
        for connection in connections:
            connection.send(**message)

    def why_lost(_: int, lost: WorkerLost) -> str:
        return str(lost)

    yield SimpleNamespace(connections=connections, broadcast=broadcast, why_lost=why_lost)
    for pair in pairs:
        for each in pair:
            each.close()


def test_case_that_runs_when_the_time_ends_is_not_blamed(silent_workers: Any) -> None:
    """When --gate-budget is used up, the gate must stop waiting for the running case, but not report it as failed."""
    runner = BlockRunner(end=time.monotonic() + 5)
    # This callback ends the block's time exactly when the case starts, however fast this machine is.
    runner.on_case = lambda _: setattr(runner, "end", time.monotonic())
    assert [] == runner.run_block(silent_workers, ["test_hangs", "test_next"])
    assert runner.cut_short


def test_no_case_starts_after_the_end(silent_workers: Any) -> None:
    """If the time ends between two cases, no worker hangs, so the gate can shut the workers down normally."""
    runner = BlockRunner(end=time.monotonic())
    assert [] == runner.run_block(silent_workers, ["test_some"])
    assert not runner.cut_short


def test_worker_that_misses_its_deadline_is_lost(silent_workers: Any) -> None:
    """If a case misses its deadline before the time budget is used up, the block ends and reports it as failed."""
    runner = BlockRunner(end=time.monotonic() + 300, deadlines=Deadlines(set_up_s=0.2))
    (block,) = runner.run_block(silent_workers, ["test_hangs", "test_next"])
    assert block.lost
