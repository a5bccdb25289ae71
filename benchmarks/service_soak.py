"""
Checks that a service answers every call correctly and does not leak memory while it is under load for minutes.

The callers are threads. Half of them use the original protocol, half the Open Inference Protocol, and each call has a
batch of random size with known outputs. Like real clients, callers also send invalid requests, cancel calls, and
reconnect. The service's memory, file descriptors and threads are recorded twice a second. Memory growth is the rise of
a least-squares line through the second half of the readings, when allocators and caches have settled.
Run from the repository root: python -m benchmarks.service_soak --minutes 10 --report soak.md
"""

import argparse
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import grpc
import numpy as np
import psutil
from tqdm import tqdm

from benchmarks.numbers import machine_line
from benchmarks.service_speed import MODEL
from fixtures.input_batches import make_batch
from runoff.backends.base import Backend
from runoff.backends.grpc_backend import open_grpc
from runoff.backends.oip_backend import open_oip
from runoff.errors import ParityError, RunoffError
from runoff.models import accuracy, go_json
from runoff.models.mlp import Float32Array
from runoff.rpc.channel import open_channel
from runoff.rpc.neural.request_codec import encode_batch_predict
from runoff.service.launcher import launch

BATCH_SIZES = (1, 1, 1, 1, 8, 8, 64, 64, 256, 1024)
CALLS_PER_CHANNEL = 400
INTRODUCTION = """\
# A service under load for minutes

`python -m benchmarks.service_soak --report FILE` writes this page. Callers send batches of random size through both
protocols and compare the responses with the known outputs. "Right" counts correct responses, "refused" invalid requests
that the service rejected as it should, and "given up" calls that their callers cancelled. A service passes if no
response is wrong, no call is lost, and its memory does not grow by more than 10 MB in the second half.
"""
# One call in 25 is either invalid or cancelled by its caller.
CALLS_PER_ODD_CALL = 25
# Without a leak, the service's memory varies by less than this limit within minutes. A leak of 100 bytes per
# call exceeds the limit after 100,000 calls.
MAX_GROWTH_MB = 10.0


class Load:
    """
    Calls one service from several threads and counts the outcomes of the calls.

    Attributes:
        counts: Number of calls per outcome: `right`, `wrong`, `lost`, `refused`, `not refused`, `given up`.
        problems: The errors of calls that should have been answered.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.mlp = go_json.read(MODEL)
        self.batches = {size: make_batch(self.mlp.input_size, size) for size in set(BATCH_SIZES)}
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self.stop = threading.Event()
        self._lock = threading.Lock()

    def call_until_stopped(self, number: int) -> None:
        """Call the service from the current thread until `stop` is set."""
        rng = random.Random(number)  # noqa: S311 - repeatable, no cryptography
        while not self.stop.is_set():
            open_ = open_oip if number % 2 else open_grpc
            with open_("soak", self.address, self.mlp, MODEL.stem, timeout_s=60.0) as backend:
                for _ in range(CALLS_PER_CHANNEL):
                    if self.stop.is_set():
                        return
                    batch = self.batches[rng.choice(BATCH_SIZES)]
                    odd = rng.randrange(CALLS_PER_ODD_CALL) == 0
                    outcome = self._odd_call(batch, rng) if odd else self._call(backend, batch)
                    with self._lock:
                        self.counts[outcome] += 1

    def _call(self, backend: Backend, batch: Float32Array) -> str:
        try:
            accuracy.check("soak", self.mlp, batch, backend.predict(batch))
        except ParityError as error:
            self.problems.append(str(error))
            return "wrong"
        except RunoffError as error:
            self.problems.append(str(error))
            return "lost"
        return "right"

    def _odd_call(self, batch: Float32Array, rng: random.Random) -> str:
        """Make an invalid call, or make a valid call and cancel it; return the outcome."""
        give_up = rng.random() < 0.5
        sent = batch if give_up else np.full_like(batch, np.nan)
        with open_channel(self.address) as channel:
            method = channel.unary_unary("/neural.NeuralService/BatchPredict", None, None)
            call = method.future(encode_batch_predict(sent, "policy", ""), timeout=60.0)
            if give_up:
                time.sleep(rng.random() * 0.002)
                call.cancel()  # type: ignore[no-untyped-call] # missing in grpc-stubs
                return "given up"
            return "refused" if call.code() is grpc.StatusCode.INVALID_ARGUMENT else "not refused"


class ResourceMonitor:
    """
    Records the resources of the service process.

    Attributes:
        series: Minutes since the start, memory in MB, descriptors and threads of each reading.
    """

    def __init__(self, pid: int) -> None:
        self.process = psutil.Process(pid)
        self.series: list[tuple[float, float, int, int]] = []
        self._start = time.monotonic()

    def read(self) -> None:
        """Add one reading to the series."""
        with self.process.oneshot():
            memory, threads = self.process.memory_info().rss / 1e6, self.process.num_threads()
        minutes = (time.monotonic() - self._start) / 60
        self.series.append((minutes, memory, self.process.num_fds(), threads))

    def growth_mb(self) -> float:
        """Return the memory growth in MB: the rise of a least-squares line through the second half of readings."""
        half = np.array(self.series[len(self.series) // 2 :])
        slope = float(np.polyfit(half[:, 0], half[:, 1], 1)[0])
        return slope * float(half[-1, 0] - half[0, 0])


def soak(engine: str, minutes: float, callers: int) -> tuple[Load, ResourceMonitor, int]:
    """Put load on a service; return call outcomes, memory and thread readings, and the exit code."""
    with launch(engine, [MODEL], device="cpu") as service:
        load, monitor = Load(service.address), ResourceMonitor(service.process.pid)
        threads = [threading.Thread(target=load.call_until_stopped, args=(number,)) for number in range(callers)]
        for thread in threads:
            thread.start()
        for _ in tqdm(range(int(minutes * 120)), unit="reading", disable=None):
            time.sleep(0.5)
            monitor.read()
        load.stop.set()
        for thread in threads:
            thread.join()
        service.stop()
        return load, monitor, service.process.returncode


def report_lines(
    load: Load, monitor: ResourceMonitor, exit_code: int, engine: str, callers: int
) -> tuple[list[str], bool]:
    """Return the lines of the report, which end with the verdict, and whether the service passed."""
    counts, series = load.counts, monitor.series
    minutes, growth = series[-1][0], monitor.growth_mb()
    shown = [series[round(index * (len(series) - 1) / 9)] for index in range(10)]
    bad = {name: counts[name] for name in ("lost", "wrong", "not refused") if counts[name]}
    faults = [f"{number} calls {name}" for name, number in bad.items()]
    faults += [f"memory grew by {growth:.1f} MB in the second half"] * (growth > MAX_GROWTH_MB)
    faults += [f"the service ended with exit code {exit_code}"] * (exit_code != 0)
    return [
        f"{machine_line()}; engine {engine}, {callers} callers, {minutes:.1f} minutes, {sum(counts.values()):,} calls",
        "",
        ", ".join(f"{counts[name]:,} {name}" for name in ("right", "refused", "given up", "wrong", "lost")),
        "",
        "| minute | memory, MB | descriptors | threads |",
        "|---:|---:|---:|---:|",
        *(f"| {at:.1f} | {memory:.1f} | {fds} | {threads} |" for at, memory, fds, threads in shown),
        "",
        *(f"- {problem[:300]}" for problem in load.problems[:5]),
        f"memory over the second half: {growth:+.2f} MB (steady: at most {MAX_GROWTH_MB:g})",
        f"verdict: {'; '.join(faults) or 'steady, and no call lost or wrong'}",
    ], not faults


def main() -> int:
    """Put load on a service and print the report; return 1 if the service failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--callers", type=int, default=6)
    parser.add_argument("--engine", default="numpy")
    parser.add_argument("--report", type=Path, help="write the numbers to this Markdown file")
    options = parser.parse_args()
    load, monitor, exit_code = soak(options.engine, options.minutes, options.callers)
    lines, is_steady = report_lines(load, monitor, exit_code, options.engine, options.callers)
    print("\n".join(lines))
    if options.report:
        options.report.write_text(f"{INTRODUCTION}\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return 0 if is_steady else 1


if __name__ == "__main__":
    sys.exit(main())
