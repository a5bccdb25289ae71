"""Splits the time of a gRPC call into parts; client and service each measure their own."""

import re
import statistics
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass

# The service sends its times as trailing metadata under this key.
CALL_TIMES_KEY = "runoff-times-ns"
_WARM_UP_CALLS = 5
# The longest number that is accepted, 15 digits of nanoseconds, is 11 days.
_TIMES = re.compile("decode=N queue=N compute=N encode=N".replace("N", "([0-9]{1,15})"))


@dataclass(frozen=True)
class ServiceTimes:
    """
    The times that a service reports for one call.

    Attributes:
        decode_ns: From the request's bytes to a checked float32 array.
        queue_ns: Waiting for the backend, which runs one forward pass at a time.
        compute_ns: The backend's `predict`.
        encode_ns: From the outputs to the response's bytes.
    """

    decode_ns: int
    queue_ns: int
    compute_ns: int
    encode_ns: int


@dataclass(frozen=True)
class CallParts:
    """
    The parts of a call's time, as means over the middle half of the profiled calls, so that they add up.

    Attributes:
        client_encode_s: From the caller's float32 array to the request's bytes.
        client_wait_s: From the request's bytes to the response's bytes; contains the service's parts and the transport.
        client_decode_s: From the response's bytes to a checked float32 array.
        service_decode_s, service_queue_s, service_compute_s, service_encode_s: The ServiceTimes, in seconds.
    """

    client_encode_s: float
    client_wait_s: float
    client_decode_s: float
    service_decode_s: float
    service_queue_s: float
    service_compute_s: float
    service_encode_s: float


def format_times(times: ServiceTimes) -> str:
    """Return times as text for the metadata: `decode=8210 queue=310 compute=171020 encode=9350`."""
    return f"decode={times.decode_ns} queue={times.queue_ns} compute={times.compute_ns} encode={times.encode_ns}"


def read_times(text: str) -> ServiceTimes | None:
    """Read times that `format_times` wrote; return None for any other text."""
    found = _TIMES.fullmatch(text)
    return ServiceTimes(*map(int, found.groups())) if found else None


def profile_calls(
    encode: Callable[[], bytes],
    send: Callable[[bytes], tuple[bytes, str]],
    decode: Callable[[bytes], object],
    calls: int,
) -> CallParts | None:
    """
    Make calls and measure their parts, separately from timed calls, because reading metadata takes about 20 µs.

    Args:
        encode: Makes the request.
        send: Sends the request; returns the response and the metadata under CALL_TIMES_KEY, empty if there is none.
        decode: Reads and checks the response.
        calls: Number of calls, after a few for warm-up.

    Returns:
        The parts; None if the service reports no times, or more time than the client waited.
    """
    rows = []
    for _ in range(_WARM_UP_CALLS + calls):
        start = time.perf_counter_ns()
        request = encode()
        encoded = time.perf_counter_ns()
        response, text = send(request)
        received = time.perf_counter_ns()
        times = read_times(text)
        # Service and client have different clocks, so only durations are compared.
        if times is None or sum(astuple(times)) > received - encoded:
            return None
        decoding = time.perf_counter_ns()
        decode(response)
        rows.append((encoded - start, received - encoded, time.perf_counter_ns() - decoding, *astuple(times)))
    # Medians of the parts would come from different calls and not add up to the time of any call. A mean over all calls
    # would be distorted by one call during which the machine was busy.
    measured = sorted(rows[_WARM_UP_CALLS:], key=lambda row: sum(row[:3]))
    quarter = calls // 4
    middle_half = measured[quarter : calls - quarter]
    return CallParts(*(1e-9 * statistics.fmean(part) for part in zip(*middle_half, strict=True)))
