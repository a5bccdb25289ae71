"""
A service under load for minutes: does its memory stay, and is every call answered, and rightly?

Callers are threads here, half in the original messages, half in the Open Inference Protocol, each call a batch of
random size whose answers are known. Now and then a caller sends what must be refused, gives up early, or comes back
on a new channel, as clients in the wild do. The service's memory, descriptors and threads are read twice a second; the
slope is a least-squares line through the second half, when allocators and caches have settled.
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
# One call in so many is one that must be refused, or one that its caller gives up.
ODD_CALLS = 25
# Above what allocators do by themselves within minutes, below what a leak of 100 bytes a call makes of a million calls.
STEADY_MB = 10.0


class Load:
    """
    Callers of one service, and what became of their calls.

    Attributes:
        counts: What became of how many calls: `right`, `wrong`, `lost`, `refused`, `not refused`, `given up`.
        problems: The first errors of calls that should have been answered.
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
        """Be one caller."""
        rng = random.Random(number)  # noqa: S311 - repeatable is what is wanted
        while not self.stop.is_set():
            open_ = open_oip if number % 2 else open_grpc
            with open_("soak", self.address, self.mlp, MODEL.stem, timeout_s=60.0) as backend:
                for _ in range(CALLS_PER_CHANNEL):
                    if self.stop.is_set():
                        return
                    batch = self.batches[rng.choice(BATCH_SIZES)]
                    odd = rng.randrange(ODD_CALLS) == 0
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
        """Make a call that must be refused, or one that nobody waits for."""
        give_up = rng.random() < 0.5
        sent = batch if give_up else np.full_like(batch, np.nan)
        with open_channel(self.address) as channel:
            method = channel.unary_unary("/neural.NeuralService/BatchPredict", None, None)
            call = method.future(encode_batch_predict(sent, "policy", ""), timeout=60.0)
            if give_up:
                time.sleep(rng.random() * 0.002)
                call.cancel()  # type: ignore[no-untyped-call] # grpc's stubs leave it out
                return "given up"
            return "refused" if call.code() is grpc.StatusCode.INVALID_ARGUMENT else "not refused"


class Watch:
    """The service's memory in MB, descriptors and threads over time in minutes."""

    def __init__(self, pid: int) -> None:
        self.process = psutil.Process(pid)
        self.series: list[tuple[float, float, int, int]] = []
        self._start = time.monotonic()

    def look(self) -> None:
        """Take one reading."""
        with self.process.oneshot():
            memory, threads = self.process.memory_info().rss / 1e6, self.process.num_threads()
        minutes = (time.monotonic() - self._start) / 60
        self.series.append((minutes, memory, self.process.num_fds(), threads))

    def growth_mb(self) -> float:
        """Return by how much the line through the second half rises over that half."""
        half = np.array(self.series[len(self.series) // 2 :])
        slope = float(np.polyfit(half[:, 0], half[:, 1], 1)[0])
        return slope * float(half[-1, 0] - half[0, 0])


def soak(engine: str, minutes: float, callers: int) -> tuple[Load, Watch, int]:
    """Return what became of the calls, what the service took meanwhile, and its exit code."""
    with launch(engine, [MODEL], device="cpu") as service:
        load, watch = Load(service.address), Watch(service.process.pid)
        threads = [threading.Thread(target=load.call_until_stopped, args=(number,)) for number in range(callers)]
        for thread in threads:
            thread.start()
        for _ in tqdm(range(int(minutes * 120)), unit="reading", disable=None):
            time.sleep(0.5)
            watch.look()
        load.stop.set()
        for thread in threads:
            thread.join()
        service.stop()
        return load, watch, service.process.returncode


def told(load: Load, watch: Watch, exit_code: int, engine: str, callers: int) -> tuple[list[str], bool]:
    """Return the report's lines, the last of which is the verdict, and whether all is well."""
    counts, series = load.counts, watch.series
    minutes, growth = series[-1][0], watch.growth_mb()
    shown = [series[round(index * (len(series) - 1) / 9)] for index in range(10)]
    bad = {name: counts[name] for name in ("lost", "wrong", "not refused") if counts[name]}
    faults = [f"{number} calls {name}" for name, number in bad.items()]
    faults += [f"memory grew by {growth:.1f} MB in the second half"] * (growth > STEADY_MB)
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
        f"memory over the second half: {growth:+.2f} MB (steady: at most {STEADY_MB:g})",
        f"verdict: {'; '.join(faults) or 'steady, and no call lost or wrong'}",
    ], not faults


def main() -> int:
    """Soak and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--callers", type=int, default=6)
    parser.add_argument("--engine", default="numpy")
    parser.add_argument("--report", type=Path, help="write the numbers to this Markdown file")
    options = parser.parse_args()
    load, watch, exit_code = soak(options.engine, options.minutes, options.callers)
    lines, well = told(load, watch, exit_code, options.engine, options.callers)
    print("\n".join(lines))
    if options.report:
        options.report.write_text("# A service under load for minutes\n\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
