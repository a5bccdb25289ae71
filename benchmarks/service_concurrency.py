"""
Measures throughput under concurrent callers, for services with different numbers of threads and processes.

The callers are threads of two load processes. Each caller has its own channel and one call in flight. All callers start
together, and the calls answered within a fixed time are counted. If two service processes shared a port with
SO_REUSEPORT, a client could not choose its service. Therefore each process has its own port, and the callers are spread
over the ports. The setups are measured in turns, several times.

For comparison, a minimal asyncio server is measured too. It only answers calls and has no other feature of a service.
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
    One way to run a service.

    Attributes:
        kind: `threads` for runoff's server, `asyncio` for the minimal asyncio server.
        workers: Threads of each process.
        processes: Number of service processes, each on a port of its own.
    """

    kind: str
    workers: int
    processes: int = 1

    @property
    def label(self) -> str:
        """The name of the setup in tables."""
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
    """Start all service processes of a setup; yield their addresses."""
    with ExitStack() as stack:
        if setup.kind == "asyncio":
            yield [stack.enter_context(_asyncio_service(engine)) for _ in range(setup.processes)]
        else:
            arguments = ("--workers", str(setup.workers))
            # Enter each context before starting the next service: if it fails to start, the earlier ones are stopped.
            launched = [
                stack.enter_context(launch(engine, [MODEL], extra_arguments=arguments)) for _ in range(setup.processes)
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
    """Start the load processes. They take seconds to start, so the same processes are used for all measurements."""
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
    """Return the calls per second of all callers together, and the 99th percentile of the call durations in seconds."""
    assigned = [addresses[caller % len(addresses)] for caller in range(callers)]
    # Split the list in the middle. If callers were assigned alternately, each load process would call only one of two
    # services.
    middle = (callers + 1) // 2
    active = [(load, own) for load, own in zip(loads, (assigned[:middle], assigned[middle:]), strict=True) if own]
    for load, own in active:
        _send(load, json.dumps({"addresses": own, "batch_size": batch_size, "seconds": seconds}))
    # A load process prints `ready` when its callers are connected and warmed up. Start the calls when all are ready.
    for load, _ in active:
        assert _receive(load) == "ready"
    for load, _ in active:
        _send(load, "go")
    results = [json.loads(_receive(load)) for load, _ in active]
    durations = np.concatenate([np.array(result["durations_s"]) for result in results])
    return sum(len(result["durations_s"]) / result["seconds"] for result in results), float(
        np.quantile(durations, 0.99)
    )


def _send(load: "subprocess.Popen[str]", line: str) -> None:
    assert load.stdin is not None
    load.stdin.write(line + "\n")
    load.stdin.flush()


def _receive(load: "subprocess.Popen[str]") -> str:
    assert load.stdout is not None
    line = load.stdout.readline().strip()
    if not line:
        raise SystemExit("a load process ended")
    return line


def measure(engine: str, batch_size: int, seconds: float, turns: int) -> list[str]:
    """Return a Markdown table: calls per second and 99th percentile for each setup and number of callers."""
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
    """Measure all setups, print the table, and write it into a report if requested."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="tensorflow", help="engine of the services (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=1, help="samples per call (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="seconds per measurement (default: %(default)s)")
    parser.add_argument(
        "--turns", type=int, default=3, help="measurements per setup and number of callers (default: %(default)s)"
    )
    parser.add_argument("--report", type=Path, help="Markdown file whose numbers are replaced")
    arguments = parser.parse_args()
    before = machine_line()
    print("starting the services", flush=True)
    table = measure(arguments.engine, arguments.batch_size, arguments.seconds, arguments.turns)
    conditions = (
        f"calls per second, and the 99th percentile of one call; {arguments.engine}, batch size {arguments.batch_size},"
        f" median of {arguments.turns} turns of {arguments.seconds:g} s, callers in {LOAD_PROCESSES} processes"
    )
    lines = [f"{conditions}; before: {before}; after: {machine_line()}", "", *table]
    print("\n".join(lines))
    if arguments.report:
        write_numbers(arguments.report, "concurrency", lines)


if __name__ == "__main__":
    main()
