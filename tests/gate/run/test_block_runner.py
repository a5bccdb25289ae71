"""A block ends at its end time and at its deadlines, whatever its workers do."""

import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from runoff.gate.run.block_runner import BlockRunner
from runoff.gate.run.channel import Connection, WorkerLost
from runoff.gate.run.workers import Deadlines


@pytest.fixture
def silent_workers() -> Iterator[Any]:
    """Provide three workers that read no request and send no response."""
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
    """A case's own deadline of minutes must not outlast --gate-budget, and a short budget is not the case's fault."""
    runner = BlockRunner(end=time.monotonic() + 5)
    # Ends the time when the case starts, however fast this machine is.
    runner.on_case = lambda _: setattr(runner, "end", time.monotonic())
    assert [] == runner.run_block(silent_workers, ["test_hangs", "test_next"])
    assert runner.cut_short


def test_no_case_starts_after_the_end(silent_workers: Any) -> None:
    """Between cases workers wait for requests, so they can shut down in order and need not be killed."""
    runner = BlockRunner(end=time.monotonic())
    assert [] == runner.run_block(silent_workers, ["test_some"])
    assert not runner.cut_short


def test_worker_that_misses_its_deadline_is_lost(silent_workers: Any) -> None:
    """A case that hangs before the time ends is reported as the case's own failure, and ends the block."""
    runner = BlockRunner(end=time.monotonic() + 300, deadlines=Deadlines(set_up_s=0.2))
    (block,) = runner.run_block(silent_workers, ["test_hangs", "test_next"])
    assert block.lost
