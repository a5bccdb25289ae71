"""The service and the client measure how long each part of a call takes."""

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
    """A fake clock that the service and the client share. Each reading advances it by 1 ns."""

    def __init__(self) -> None:
        self.now_ns = 0

    def perf_counter_ns(self) -> int:
        self.now_ns += 1
        return self.now_ns


class SlowBackend(WatchedBackend):
    """A backend whose forward pass advances the fake clock by one second."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(MLP)
        self._clock = clock

    def predict(self, batch: Float32Array) -> Float32Array:
        self._clock.now_ns += 10**9
        return super().predict(batch)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_every_prediction_reports_its_times(batch_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The forward pass takes one second of fake time, all of which must be reported as compute time."""
    clock = Clock()
    monkeypatch.setattr("runoff.service.stopwatch.time", clock)
    monkeypatch.setattr("runoff.rpc.call_times.time", clock)
    with served({"net": SlowBackend(clock)}) as server, open_grpc("x", server.address, MLP) as backend:
        parts = backend.profile(np.ones((batch_size, MLP.input_size), np.float32), 3)
    assert parts is not None
    assert 1.0 == pytest.approx(parts.service_compute_s)
    assert [1e-9] * 3 == pytest.approx([parts.service_decode_s, parts.service_queue_s, parts.service_encode_s])
    assert [1e-9] * 2 == pytest.approx([parts.client_encode_s, parts.client_decode_s])
    # Each reading of the fake clock takes 1 ns. During the client's wait, the service reads it five times, and at the
    # end the client reads it once.
    assert 1e-9 * (10**9 + 6) == pytest.approx(parts.client_wait_s, abs=1e-12)


def test_call_to_a_service_without_times_has_no_parts() -> None:
    """A third-party service of the original protocol sends no times, so profiling must return None."""
    reply = PredictResponse(probabilities=[0.5, 0.25, 0.25]).SerializeToString()
    foreign = foreign_service({"Predict": reply, "GetModelInfo": foreign_info(MLP)})
    with foreign as address, open_grpc("x", address, MLP) as backend:
        assert backend.profile(np.ones((1, MLP.input_size), np.float32), 3) is None


def test_times_survive_their_text() -> None:
    """The service sends its times as text, from which the client must read the same times."""
    assert TIMES == read_times(format_times(TIMES))


@pytest.mark.parametrize(
    "text",
    ["", "decode=1", "decode=1 queue=2 compute=3 encode=-4", "decode=1 queue=2 compute=x encode=4", "a=1 b=2 c=3 d=4"],
)
def test_malformed_times_are_ignored(text: str) -> None:
    """A third-party service may send any text under the key of the times, so the client must ignore malformed times."""
    assert read_times(text) is None


class Calls:
    """Fake gRPC calls, each of which advances a fake clock by a given duration."""

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
    """Profile fake calls with their fake clock."""
    monkeypatch.setattr("runoff.rpc.call_times.time", calls)
    return profile_calls(lambda: b"", calls.call, lambda reply: reply, count)


def test_parts_are_means_of_the_middle_half_of_the_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """All parts must be averaged over the same calls, or they would not add up. Outliers must be excluded."""
    parts = taken_apart(Calls([10, 30, 10**9, 20], [1, 20, 10**8, 10]), 4, monkeypatch)
    assert parts is not None
    assert (25e-9, 15e-9) == pytest.approx((parts.client_wait_s, parts.service_queue_s))


def test_times_longer_than_the_call_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the service reports more time than the client waited, the time is wrong: none would be left for transport."""
    assert taken_apart(Calls([10] * 4, [9] * 4), 4, monkeypatch) is not None
    assert taken_apart(Calls([10] * 4, [9, 9, 10, 9]), 4, monkeypatch) is None
