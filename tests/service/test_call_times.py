"""What a service tells about the time of a call, and what the client makes of it."""

import numpy as np
import pytest

from runoff.backends.grpc_backend import open_grpc
from runoff.models.mlp import Float32Array
from runoff.rpc.call_times import CallParts, ServiceTimes, format_times, profile_calls, read_times
from runoff.rpc.neural.neural_pb2 import PredictResponse
from tests.support.models import random_mlp
from tests.support.services import WatchedBackend, foreign_info, foreign_service, served

MLP = random_mlp()
TIMES = ServiceTimes(decode_ns=8210, queue_ns=0, compute_ns=171020, encode_ns=9350)


class Clock:
    """A clock in place of both ends' that goes on by 1 ns a look, and by a second when the backend computes."""

    def __init__(self) -> None:
        self.now_ns = 0

    def perf_counter_ns(self) -> int:
        self.now_ns += 1
        return self.now_ns


class SlowBackend(WatchedBackend):
    """Takes a second of that clock for a forward pass."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(MLP)
        self._clock = clock

    def predict(self, batch: Float32Array) -> Float32Array:
        self._clock.now_ns += 10**9
        return super().predict(batch)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_every_prediction_tells_its_times(batch_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part in its place: the second that the forward pass takes is compute and nothing else."""
    clock = Clock()
    monkeypatch.setattr("runoff.service.stopwatch.time", clock)
    monkeypatch.setattr("runoff.rpc.call_times.time", clock)
    with served({"net": SlowBackend(clock)}) as server, open_grpc("x", server.address, MLP) as backend:
        parts = backend.profile(np.ones((batch_size, MLP.input_size), np.float32), 3)
    assert parts is not None
    assert 1.0 == pytest.approx(parts.service_compute_s)
    assert [1e-9] * 3 == pytest.approx([parts.service_decode_s, parts.service_queue_s, parts.service_encode_s])
    assert [1e-9] * 2 == pytest.approx([parts.client_encode_s, parts.client_decode_s])
    # Five looks of the service's lie within the client's wait, and one begins it.
    assert 1e-9 * (10**9 + 6) == pytest.approx(parts.client_wait_s, abs=1e-12)


def test_service_that_tells_nothing_is_not_taken_apart() -> None:
    """The original contract knows no such metadata."""
    reply = PredictResponse(probabilities=[0.5, 0.25, 0.25]).SerializeToString()
    foreign = foreign_service({"Predict": reply, "GetModelInfo": foreign_info(MLP)})
    with foreign as address, open_grpc("x", address, MLP) as backend:
        assert backend.profile(np.ones((1, MLP.input_size), np.float32), 3) is None


def test_times_survive_their_text() -> None:
    """Both ends agree on the words."""
    assert TIMES == read_times(format_times(TIMES))


@pytest.mark.parametrize(
    "text",
    ["", "decode=1", "decode=1 queue=2 compute=3 encode=-4", "decode=1 queue=2 compute=x encode=4", "a=1 b=2 c=3 d=4"],
)
def test_other_words_are_no_times(text: str) -> None:
    """The metadata of a foreign service may hold anything."""
    assert read_times(text) is None


class Calls:
    """Calls that take what they are told to, by a clock of their own."""

    def __init__(self, waits_ns: list[int], queues_ns: list[int]) -> None:
        self.now_ns = 0
        self._calls = iter(zip([10] * 5 + waits_ns, [5] * 5 + queues_ns, strict=True))

    def perf_counter_ns(self) -> int:
        return self.now_ns

    def call(self, _message: bytes) -> tuple[bytes, str]:
        wait_ns, queue_ns = next(self._calls)
        self.now_ns += wait_ns
        return b"", format_times(ServiceTimes(0, queue_ns, 1, 0))


def taken_apart(calls: Calls, count: int, monkeypatch: pytest.MonkeyPatch) -> CallParts | None:
    """Take calls apart by their own clock."""
    monkeypatch.setattr("runoff.rpc.call_times.time", calls)
    return profile_calls(lambda: b"", calls.call, lambda reply: reply, count)


def test_parts_are_means_of_the_middle_half_of_the_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of the same calls add up; one call in the queue of another must not be a case's queue time."""
    parts = taken_apart(Calls([10, 30, 10**9, 20], [1, 20, 10**8, 10]), 4, monkeypatch)
    assert parts is not None
    assert (25e-9, 15e-9) == pytest.approx((parts.client_wait_s, parts.service_queue_s))


def test_service_that_tells_more_than_a_call_took_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left for transport would be less than nothing."""
    assert taken_apart(Calls([10] * 4, [9] * 4), 4, monkeypatch) is not None
    assert taken_apart(Calls([10] * 4, [9, 9, 10, 9]), 4, monkeypatch) is None
