"""Where a call through a service spends its time, as the service and the client each measure their own part of it."""

import statistics
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass

METADATA_KEY = "runoff-times-ns"
PARTS = ("decode", "queue", "compute", "encode")
_LONGEST_TEXT = 200
_WARM_UP_CALLS = 5


@dataclass(frozen=True)
class ServiceTimes:
    """
    What a service says that it spent on one call.

    Attributes:
        decode_ns: From the request's bytes to a checked float32 array.
        queue_ns: Waiting for the backend, which runs one forward pass at a time.
        compute_ns: The backend's `predict`.
        encode_ns: From its outputs to the reply's bytes.
    """

    decode_ns: int
    queue_ns: int
    compute_ns: int
    encode_ns: int


@dataclass(frozen=True)
class CallParts:
    """
    A call taken apart: means over the middle half of profiled calls, so they add up as the parts of one call do.

    Attributes:
        client_encode_s: From the caller's float32 array to the request's bytes.
        client_wait_s: From there to the reply's bytes; the service's parts lie within, the rest of it is transport.
        client_decode_s: From the reply's bytes to a checked float32 array.
        service_decode_s: As ServiceTimes, in seconds.
        service_queue_s: Likewise.
        service_compute_s: Likewise.
        service_encode_s: Likewise.
    """

    client_encode_s: float
    client_wait_s: float
    client_decode_s: float
    service_decode_s: float
    service_queue_s: float
    service_compute_s: float
    service_encode_s: float


def format_times(times: ServiceTimes) -> str:
    """Return times as the metadata carries them: `decode=8210 queue=310 compute=171020 encode=9350`."""
    return f"decode={times.decode_ns} queue={times.queue_ns} compute={times.compute_ns} encode={times.encode_ns}"


def read_times(text: str) -> ServiceTimes | None:
    """Return what `format_times` wrote; None if it is anything else."""
    words = [word.partition("=") for word in text[:_LONGEST_TEXT].split()]
    numbers = [number for _, _, number in words]
    if tuple(name for name, _, _ in words) != PARTS or not all(n.isascii() and n.isdigit() for n in numbers):
        return None
    return ServiceTimes(*map(int, numbers))


def take_apart(
    encode: Callable[[], bytes],
    call: Callable[[bytes], tuple[bytes, str]],
    decode: Callable[[bytes], object],
    calls: int,
) -> CallParts | None:
    """
    Profile calls, outside of anything that is timed: reading metadata costs a caller some 20 µs.

    Args:
        encode: Makes the request.
        call: Sends it; returns the reply and what stands under METADATA_KEY, empty if nothing does.
        decode: Reads and checks the reply.
        calls: How many to make after a few to warm up.

    Returns:
        The parts; None if the service does not tell its own, or tells more than it had time for.
    """
    rows = []
    for _ in range(_WARM_UP_CALLS + calls):
        start = time.perf_counter_ns()
        request = encode()
        encoded = time.perf_counter_ns()
        reply, text = call(request)
        received = time.perf_counter_ns()
        told = read_times(text)
        # Durations, so the two clocks need not agree: the service's lie within the client's, or are not true.
        if told is None or sum(astuple(told)) > received - encoded:
            return None
        decoding = time.perf_counter_ns()
        decode(reply)
        rows.append((encoded - start, received - encoded, time.perf_counter_ns() - decoding, *astuple(told)))
    return CallParts(*(1e-9 * statistics.fmean(part) for part in zip(*_middle_half(rows), strict=True)))


def _middle_half(rows: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """
    Return the calls that were neither the quickest nor the slowest quarter.

    Medians, taken part by part, come from different calls and do not add up to any; the mean of all is moved by one
    call that the machine held up.
    """
    measured = sorted(rows[_WARM_UP_CALLS:], key=lambda row: sum(row[:3]))
    quarter = len(measured) // 4
    return measured[quarter : len(measured) - quarter]
