"""A block ends when its time does, whatever a child is about."""

import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from runoff.gate.run.block_runner import BlockRunner
from runoff.gate.run.channel import Connection, WorkerLost


@pytest.fixture
def silent_trio() -> Iterator[Any]:
    """Three children that hear and say nothing."""
    pairs = [socket.socketpair() for _ in range(3)]
    connections = [Connection(ours) for ours, _ in pairs]

    def tell(**word: Any) -> None:
        for connection in connections:
            connection.send(**word)

    def why_lost(_: int, lost: WorkerLost) -> str:
        return str(lost)

    yield SimpleNamespace(connections=connections, tell=tell, why_lost=why_lost)
    for pair in pairs:
        for each in pair:
            each.close()


def test_case_in_whose_midst_the_time_ends_is_not_blamed(silent_trio: Any) -> None:
    """A case's own patience of minutes must not outlast --gate-budget."""
    duel = BlockRunner(end=time.monotonic() + 0.3)
    assert [] == duel.run_block(silent_trio, ["test_hangs", "test_next"])
    assert duel.cut_short


def test_no_case_is_begun_after_the_end(silent_trio: Any) -> None:
    """Between cases children are idle, and close in order."""
    duel = BlockRunner(end=time.monotonic())
    assert [] == duel.run_block(silent_trio, ["test_some"])
    assert not duel.cut_short


def test_child_that_says_nothing_before_the_end_is_lost(silent_trio: Any) -> None:
    """That one is the case's own fault."""
    duel = BlockRunner(end=time.monotonic() + 300)
    duel.deadlines = type(duel.deadlines)(set_up_s=0.2)
    (block,) = duel.run_block(silent_trio, ["test_hangs", "test_next"])
    assert block.lost
