"""How much memory the queued calls of a service occupy."""

import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import grpc
import numpy as np
import psutil

from runoff.rpc.neural.request_codec import encode_batch_predict
from runoff.rpc.neural.service_name import SERVICE_NAME
from runoff.service.server import RECEIVE_WINDOW_BYTES
from tests.support.blocked_service import MAX_THREADS
from tests.support.models import random_mlp

CHECKOUT = Path(__file__).resolve().parents[2]
MIB = 2**20


def steady_memory_bytes(process: psutil.Process) -> int:
    """Return the memory of a process as soon as it has not grown for 2 s."""
    largest, last_growth = 0, time.monotonic()
    while time.monotonic() < last_growth + 2:
        memory_bytes = process.memory_info().rss
        if memory_bytes > largest + MIB:
            largest, last_growth = memory_bytes, time.monotonic()
        time.sleep(0.05)
    return largest


def test_queued_calls_occupy_one_receive_window_each() -> None:
    """Clients can queue 1,024 calls of 32 MiB, so the service must not receive the requests of queued calls."""
    mlp = random_mlp()
    request = encode_batch_predict(
        np.zeros((2 * MIB // (4 * mlp.input_size + 4), mlp.input_size), np.float32), "policy", "m"
    )
    calls = 160
    command = [sys.executable, "-m", "tests.support.blocked_service"]
    with (
        subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
        ExitStack() as stack,
    ):
        assert process.stdout is not None
        stack.callback(process.kill)
        address, service = process.stdout.readline().strip(), psutil.Process(process.pid)
        idle_bytes = steady_memory_bytes(service)
        for _ in range(calls):
            channel = stack.enter_context(grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]))
            stack.callback(channel.unary_unary(f"/{SERVICE_NAME}/BatchPredict", None, None).future(request).cancel)
        growth_bytes = steady_memory_bytes(service) - idle_bytes
    # Besides the windows, each thread may have received a whole request. While gRPC copies the pieces of a request into
    # one Python object, it holds the request twice.
    allowed_bytes = calls * RECEIVE_WINDOW_BYTES + 2 * MAX_THREADS * len(request) + 64 * MIB
    assert growth_bytes < allowed_bytes < calls * len(request) / 2 + 64 * MIB
