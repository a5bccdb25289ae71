"""
The load process of benchmarks/service_concurrency.py: its threads call services for a given time.

Each line of JSON on standard input describes one measurement. The process connects all threads and prints `ready`. It
waits for another input line, then starts the calls, and finally prints the durations of all calls as JSON.
"""

import json
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack

import grpc

from benchmarks.service_speed import MODEL
from fixtures.input_batches import make_batch
from runoff.models import go_json
from runoff.rpc.channel import open_channel
from runoff.rpc.neural.request_codec import encode_batch_predict, encode_predict

_WARM_UP_CALLS = 20
_TIMEOUT_S = 30.0


def _call_until(
    method: "grpc.UnaryUnaryMultiCallable[bytes, bytes]", message: bytes, end: float, durations_s: list[float]
) -> None:
    before = time.perf_counter()
    while before < end:
        method(message, timeout=_TIMEOUT_S)
        after = time.perf_counter()
        durations_s.append(after - before)
        before = after


def run(addresses: Sequence[str], batch_size: int, seconds: float) -> None:
    """Call each address from its own thread. Print `ready` before the measurement and the call durations after it."""
    batch = make_batch(go_json.read(MODEL).input_size, batch_size)
    encode = encode_predict if batch_size == 1 else encode_batch_predict
    message, name = encode(batch, "policy", ""), "Predict" if batch_size == 1 else "BatchPredict"
    with ExitStack() as stack:
        channels = [stack.enter_context(open_channel(address)) for address in addresses]
        # Encode the message only once and do not decode responses, so that the service gets most of the CPU time.
        methods = [channel.unary_unary(f"/neural.NeuralService/{name}", None, None) for channel in channels]
        for method in methods:
            for _ in range(_WARM_UP_CALLS):
                method(message, timeout=_TIMEOUT_S)
        print("ready", flush=True)
        sys.stdin.readline()
        durations_s: list[list[float]] = [[] for _ in methods]
        start = time.perf_counter()
        threads = [
            threading.Thread(target=_call_until, args=(method, message, start + seconds, own))
            for method, own in zip(methods, durations_s, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        result = {
            "seconds": time.perf_counter() - start,
            "durations_s": [duration for own in durations_s for duration in own],
        }
    print(json.dumps(result), flush=True)


def main() -> None:
    """Run one measurement for each line of standard input."""
    for line in sys.stdin:
        run(**json.loads(line))


if __name__ == "__main__":
    main()
