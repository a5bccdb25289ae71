"""
Throughput under concurrent callers, for thread counts, process counts and kinds of server.

Callers are threads of load processes of their own, two of them, each caller on a channel of its own with one call in
flight; they start together and count what is answered in a few seconds. With so_reuseport off, as it has to be for a
service to be the one that was asked for, two processes cannot share a port: here each has its own, and callers are
spread over them. Servers that are compared are taken by turns, several times.

The asyncio server is a bare one that was written for this comparison: it lacks what ours does beside answering.
Run from the repository root: python -m benchmarks.service_concurrency --report benchmarks/reports/service_speed.md
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tabulate import tabulate
from tqdm import tqdm

from benchmarks.numbers import machine_line, write_numbers
from benchmarks.service_speed import MODEL
from runoff.service.launcher import launch
from runoff.units import format_count

ROOT = Path(__file__).parents[1]
CALLERS = (1, 4, 16, 64)
LOAD_PROCESSES = 2


@dataclass(frozen=True)
class Setup:
    """
    One way of serving.

    Attributes:
        kind: `threads` is our server, `asyncio` the bare one.
        workers: Threads of each process.
        processes: Service processes, each on a port of its own.
    """

    kind: str
    workers: int
    processes: int = 1

    @property
    def label(self) -> str:
        """How tables call it."""
        workers = f"{self.workers} thread{'s' * (self.workers > 1)}" if self.kind == "threads" else "asyncio"
        return f"{workers}, {self.processes} process{'es' * (self.processes > 1)}"


SETUPS = (
    *(Setup("threads", workers) for workers in (1, 2, 3, 4, 8, 16)),
    Setup("threads", 1, processes=2),
    Setup("threads", 2, processes=2),
    Setup("asyncio", 1),
)


@contextmanager
def serving(setup: Setup, engine: str) -> Iterator[list[str]]:
    """Run a setup; yields its addresses."""
    with ExitStack() as stack:
        if setup.kind == "asyncio":
            yield [stack.enter_context(_asyncio_service(engine)) for _ in range(setup.processes)]
        else:
            words = ("--workers", str(setup.workers))
            # One by one: were the second not to start, the first would not be left behind.
            launched = [
                stack.enter_context(launch(engine, [MODEL], extra_arguments=words)) for _ in range(setup.processes)
            ]
            yield [service.address for service in launched]


@contextmanager
def _asyncio_service(engine: str) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.asyncio_service", engine, str(MODEL)]
    with subprocess.Popen(  # noqa: S603 - our own command
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@contextmanager
def load_processes() -> Iterator[list["subprocess.Popen[str]"]]:
    """Start the processes that call; they are kept for all cells, for each takes seconds to start."""
    command = [sys.executable, "-m", "benchmarks.load"]
    with ExitStack() as stack:
        loads = []
        for _ in range(LOAD_PROCESSES):
            load = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own command
            loads.append(stack.enter_context(load))
            stack.callback(load.kill)
        yield loads


def throughput(
    loads: Sequence["subprocess.Popen[str]"], addresses: Sequence[str], callers: int, batch_size: int, seconds: float
) -> tuple[float, float]:
    """Return the calls per second of all callers together, and the 99th percentile of a call's seconds."""
    spread = [addresses[caller % len(addresses)] for caller in range(callers)]
    # Halves, not every other one: with two addresses those would be all of one address.
    middle = (callers + 1) // 2
    calling = [(load, mine) for load, mine in zip(loads, (spread[:middle], spread[middle:]), strict=True) if mine]
    for load, mine in calling:
        _tell(load, json.dumps({"addresses": mine, "batch_size": batch_size, "seconds": seconds}))
    # All have connected and warmed up once they have said so; only then does the clock run for any.
    for load, _ in calling:
        assert _hear(load) == "ready"
    for load, _ in calling:
        _tell(load, "go")
    told = [json.loads(_hear(load)) for load, _ in calling]
    durations = np.concatenate([np.array(one["durations_s"]) for one in told])
    return sum(len(one["durations_s"]) / one["seconds"] for one in told), float(np.quantile(durations, 0.99))


def _tell(load: "subprocess.Popen[str]", line: str) -> None:
    assert load.stdin is not None
    load.stdin.write(line + "\n")
    load.stdin.flush()


def _hear(load: "subprocess.Popen[str]") -> str:
    assert load.stdout is not None
    line = load.stdout.readline().strip()
    if not line:
        raise SystemExit("a load process ended")
    return line


def measure(engine: str, batch_size: int, seconds: float, turns: int) -> list[str]:
    """Return Markdown: calls per second, and the 99th percentile, per setup and number of callers."""
    found: dict[tuple[Setup, int], list[tuple[float, float]]] = {}
    with ExitStack() as stack, tqdm(total=turns * len(SETUPS) * len(CALLERS), leave=False) as progress:
        loads = stack.enter_context(load_processes())
        addresses = {setup: stack.enter_context(serving(setup, engine)) for setup in SETUPS}
        for _ in range(turns):
            for callers in CALLERS:
                for setup in SETUPS:
                    cell = throughput(loads, addresses[setup], callers, batch_size, seconds)
                    found.setdefault((setup, callers), []).append(cell)
                    progress.update()
    rows = []
    for setup in SETUPS:
        cells = [np.median(found[setup, callers], axis=0) for callers in CALLERS]
        rows.append((setup.label, *(f"{format_count(calls)} ({p99_s * 1e3:.1f} ms)" for calls, p99_s in cells)))
    headers = ("server", *(f"{callers} callers" if callers > 1 else "1 caller" for callers in CALLERS))
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True).splitlines()


def main() -> None:
    """Measure, print, and write into a report if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="tensorflow", help="what the services run (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=1, help="samples of one call (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each cell (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=3, help="times that each cell is taken (default: %(default)s)")
    parser.add_argument("--report", type=Path, help="a Markdown file whose numbers are to be replaced")
    arguments = parser.parse_args()
    before = machine_line()
    print("starting the services", flush=True)
    table = measure(arguments.engine, arguments.batch_size, arguments.seconds, arguments.turns)
    told = (
        f"calls per second, and the 99th percentile of one call; {arguments.engine}, batch size {arguments.batch_size},"
        f" median of {arguments.turns} turns of {arguments.seconds:g} s, callers in {LOAD_PROCESSES} processes"
    )
    lines = [f"{told}; before: {before}; after: {machine_line()}", "", *table]
    print("\n".join(lines))
    if arguments.report:
        write_numbers(arguments.report, "concurrency", lines)


if __name__ == "__main__":
    main()
