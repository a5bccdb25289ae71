"""A load process: callers that call services for a while. Lines of JSON on standard input say whom, and when to go."""

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
    """Call each address from a thread of its own; says when all have connected, waits for a line, tells times."""
    batch = make_batch(go_json.read(MODEL).input_size, batch_size)
    encode = encode_predict if batch_size == 1 else encode_batch_predict
    message, name = encode(batch, "policy", ""), "Predict" if batch_size == 1 else "BatchPredict"
    with ExitStack() as stack:
        channels = [stack.enter_context(open_channel(address)) for address in addresses]
        # Bytes in, bytes out: the load's own encoding and decoding would take the cores from the service.
        methods = [channel.unary_unary(f"/neural.NeuralService/{name}", None, None) for channel in channels]
        for method in methods:
            for _ in range(_WARM_UP_CALLS):
                method(message, timeout=_TIMEOUT_S)
        print("ready", flush=True)
        sys.stdin.readline()
        durations_s: list[list[float]] = [[] for _ in methods]
        start = time.perf_counter()
        threads = [
            threading.Thread(target=_call_until, args=(method, message, start + seconds, mine))
            for method, mine in zip(methods, durations_s, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        told = {"seconds": time.perf_counter() - start, "durations_s": [one for mine in durations_s for one in mine]}
    print(json.dumps(told), flush=True)


def main() -> None:
    """Do what the lines say until there are no more."""
    for line in sys.stdin:
        run(**json.loads(line))


if __name__ == "__main__":
    main()
