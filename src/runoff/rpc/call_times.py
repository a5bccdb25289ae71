"""Splits the duration of a gRPC call into parts, some of them measured by the client and some by the service."""

import re
import statistics
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass

# The service sends its ServiceTimes to the client as trailing gRPC metadata with this key.
CALL_TIMES_KEY = "runoff-times-ns"
_WARM_UP_CALLS = 5
# Accept at most 15 digits per time: a call never takes more than 10^15 ns, which is 11 days.
_TIMES = re.compile("decode=N queue=N compute=N encode=N".replace("N", "([0-9]{1,15})"))


@dataclass(frozen=True)
class ServiceTimes:
    """
    How long each step of one call took in the service, as reported by the service.

    Attributes:
        decode_ns: From the request's bytes to a checked float32 array.
        queue_ns: Waiting time before the forward pass, because the backend runs one forward pass at a time.
        compute_ns: Duration of the backend's `predict`.
        encode_ns: From the outputs to the response's bytes.
    """

    decode_ns: int
    queue_ns: int
    compute_ns: int
    encode_ns: int


@dataclass(frozen=True)
class CallParts:
    """
    How long each part of a call took: the average over the middle half of the calls, sorted by duration.

    Attributes:
        client_encode_s: From the caller's float32 array to the request's bytes.
        client_wait_s: From the request's bytes to the response's bytes. Includes the service's parts and the transport.
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
    """Format times as text for a call's metadata, such as `decode=8210 queue=310 compute=171020 encode=9350`."""
    return f"decode={times.decode_ns} queue={times.queue_ns} compute={times.compute_ns} encode={times.encode_ns}"


def read_times(text: str) -> ServiceTimes | None:
    """Parse the output of `format_times`. Return None if the text has any other format."""
    found = _TIMES.fullmatch(text)
    return ServiceTimes(*map(int, found.groups())) if found else None


def profile_calls(
    encode: Callable[[], bytes],
    send: Callable[[bytes], tuple[bytes, str]],
    decode: Callable[[bytes], object],
    calls: int,
) -> CallParts | None:
    """
    Make calls and time each part of a call, which adds about 20 µs to a call. Benchmarks do not time these calls.

    Args:
        encode: Returns the serialized request.
        send: Sends the request. Returns the response and the metadata under CALL_TIMES_KEY, "" if there is none.
        decode: Reads and checks the response.
        calls: Number of measured calls, which follow a few calls for warm-up.

    Returns:
        The parts. None if the service reports no times, or if they add up to more than the client waited.
    """
    rows = []
    for _ in range(_WARM_UP_CALLS + calls):
        start = time.perf_counter_ns()
        request = encode()
        encoded = time.perf_counter_ns()
        response, text = send(request)
        received = time.perf_counter_ns()
        times = read_times(text)
        # The clocks of service and client may differ, so compare only durations, never points in time.
        if times is None or sum(astuple(times)) > received - encoded:
            return None
        decoding = time.perf_counter_ns()
        decode(response)
        rows.append((encoded - start, received - encoded, time.perf_counter_ns() - decoding, *astuple(times)))
    # Average the middle half of the calls. Medians of the parts would come from different calls, so they would not add
    # up to a call's duration, and one slow call would distort a mean over all calls.
    measured = sorted(rows[_WARM_UP_CALLS:], key=lambda row: sum(row[:3]))
    quarter = calls // 4
    middle_half = measured[quarter : calls - quarter]
    return CallParts(*(1e-9 * statistics.fmean(part) for part in zip(*middle_half, strict=True)))
