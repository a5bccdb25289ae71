"""Measures the parts of a call inside the service and sends them to the client in the call's trailing metadata."""

import time

import grpc

from runoff.rpc.call_times import CALL_TIMES_KEY, ServiceTimes, format_times


class Stopwatch:
    """
    Measures how long the four parts of one call take: decode, queue, compute and encode, in this order.

    Measuring and sending them costs about 15 µs per call at both ends together, nearly all of it in gRPC's handling of
    metadata.
    """

    def __init__(self) -> None:
        self._marks = [time.perf_counter_ns()]

    def lap(self) -> None:
        """End the current part of the call and start the next."""
        self._marks.append(time.perf_counter_ns())

    def send(self, context: grpc.ServicerContext) -> None:
        """End the last part and put the four times into the trailing metadata of the call."""
        self.lap()
        start, decoded, turn, computed, encoded = self._marks
        times = ServiceTimes(decoded - start, turn - decoded, computed - turn, encoded - computed)
        # Send all times under one metadata key, because every key costs time in gRPC's Python layer.
        context.set_trailing_metadata(((CALL_TIMES_KEY, format_times(times)),))
