"""
Compares the speed of runoff's services with the original service and with services that compute nothing.

A stand-in represents the original service. One client calls all services in turns, in an order that changes every
round. Two services are compared by the median of their ratios in each round. Outputs are checked before anything is
timed. Run from the repository root:
python -m benchmarks.service_speed --report benchmarks/reports/service_speed.md
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tabulate import tabulate
from tqdm import tqdm

from benchmarks.numbers import machine_line, write_numbers
from benchmarks.original_service import original_service
from fixtures.input_batches import make_batch
from fixtures.suite_options import FIXTURE_MODELS
from runoff.backends.base import Backend
from runoff.backends.grpc_backend import open_grpc
from runoff.backends.registry import SERVICES
from runoff.measurement.intervals import Interval, median_interval
from runoff.measurement.warm_up import warm_up
from runoff.models import accuracy, go_json
from runoff.models.mlp import Float32Array, Float64Array, Mlp
from runoff.service.launcher import launch
from runoff.units import format_duration, format_ratio

MODEL = FIXTURE_MODELS / "rps_h64_policy.model"
BATCH_SIZES = (1, 64, 1024)
ORIGINAL = "original"
# A round is long compared to the timer's resolution, but too short for the machine's speed to change much.
_ROUND_S = 0.02
_UNTIMED_CALLS = 10


@dataclass(frozen=True)
class Goal:
    """
    A goal for the ratio of two services' call times: a smallest or a largest acceptable value.

    Attributes:
        slow: The backend whose time is the numerator.
        fast: The backend whose time is the denominator.
        batch_size: Samples per call.
        at_least: The smallest acceptable ratio, or None.
        at_most: The largest acceptable ratio, or None.
    """

    slow: str
    fast: str
    batch_size: int
    at_least: float | None = None
    at_most: float | None = None


GOALS = (
    Goal(ORIGINAL, "tensorflow-grpc", 1, at_least=60),
    Goal(ORIGINAL, "tensorflow-grpc", 64, at_least=35),
    Goal(ORIGINAL, "tensorflow-oip", 1024, at_least=60),
    Goal("tensorflow-grpc", "null-grpc", 1, at_most=1.4),
    Goal("tensorflow-oip", "null-oip", 1, at_most=1.4),
    Goal("tensorflow-oip", "null-oip", 1024, at_most=2.0),
)


def open_backends(names: Sequence[str], mlp: Mlp, stack: ExitStack) -> dict[str, Backend]:
    """Start the original service and one service per engine; return an open backend for each, by backend name."""
    services = {}
    for engine in dict.fromkeys(SERVICES[name] for name in names):
        services[engine] = stack.enter_context(launch(engine, [MODEL])).address
    backends: dict[str, Backend] = {}
    for name in names:
        backends[name] = stack.enter_context(_open(name, services[SERVICES[name]], mlp))
    address = stack.enter_context(original_service(MODEL))
    return {ORIGINAL: stack.enter_context(open_grpc(ORIGINAL, address, mlp)), **backends}


def _open(name: str, address: str, mlp: Mlp) -> Backend:
    if not name.endswith("-oip"):
        return open_grpc(name, address, mlp, MODEL.stem)
    from runoff.backends.oip_backend import open_oip

    opened: Backend = open_oip(name, address, mlp, MODEL.stem)
    return opened


def check(name: str, backend: Backend, mlp: Mlp, batch: Float32Array) -> None:
    """Raise ParityError if a backend's outputs differ from the model's."""
    found = backend.predict(batch)
    if not name.startswith("null-"):
        accuracy.check(name, mlp, batch, found)


def measure_in_turns(backends: Mapping[str, Backend], batch: Float32Array, rounds: int) -> dict[str, Float64Array]:
    """Return the seconds per call of each backend in each round. Every round starts with a different backend."""
    calls = {name: warm_up(lambda backend=backend: backend.predict(batch)) for name, backend in backends.items()}  # type: ignore[misc]  # a default is bound
    iterations = {name: max(1, round(_ROUND_S * 1e9 / warm.call_ns)) for name, warm in calls.items()}
    taken: dict[str, list[float]] = {name: [] for name in backends}
    names = list(backends)
    for index in tqdm(range(rounds), desc=f"batch size {len(batch)}", leave=False):
        first = index % len(names)
        for name in names[first:] + names[:first]:
            predict, count = backends[name].predict, iterations[name]
            # Do not time the first calls. They are slow because the previous service filled the CPU caches, which does
            # not happen to real clients.
            for _ in range(min(count, _UNTIMED_CALLS)):
                predict(batch)
            start = time.perf_counter()
            for _ in range(count):
                predict(batch)
            taken[name].append((time.perf_counter() - start) / count)
    return {name: np.array(durations) for name, durations in taken.items()}


def _null_of(name: str) -> str:
    """Return the name of the null backend for the same protocol, whose time is the cost of messages and transport."""
    return "null-oip" if name.endswith("-oip") else "null-grpc"


def _format_interval(interval: Interval) -> str:
    low, high = (format_ratio(bound).removesuffix("×") for bound in (interval.low, interval.high))
    return f"{format_ratio(interval.estimate)} [{low}, {high}]"


def speed_table(taken: Mapping[int, Mapping[str, Float64Array]]) -> list[str]:
    """Return a Markdown table with each backend's time per call and its ratios to the original and null services."""
    rows = []
    for batch_size, backends in taken.items():
        for name, rounds in backends.items():
            call = median_interval(rounds)
            low, high = format_duration(call.low), format_duration(call.high)
            faster = "" if name == ORIGINAL else _format_interval(median_interval(backends[ORIGINAL] / rounds))
            floor = backends.get(_null_of(name))
            over = (
                ""
                if floor is None or name in (ORIGINAL, _null_of(name))
                else _format_interval(median_interval(rounds / floor))
            )
            rows.append((batch_size, name, f"{format_duration(call.estimate)} [{low}, {high}]", faster, over))
    headers = ("batch", "service", "per call [95 %]", "times faster than the original", "times its null service")
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True).splitlines()


def goal_table(taken: Mapping[int, Mapping[str, Float64Array]]) -> list[str]:
    """Return a Markdown table with each goal, the measured ratio, and whether its whole interval meets the goal."""
    rows = []
    for goal in GOALS:
        backends = taken.get(goal.batch_size, {})
        if goal.slow not in backends or goal.fast not in backends:
            continue
        found = median_interval(backends[goal.slow] / backends[goal.fast])
        if goal.at_least is not None:
            wanted, reached, certain = (
                f"≥ {goal.at_least:g}×",
                found.estimate >= goal.at_least,
                found.low >= goal.at_least,
            )
        else:
            assert goal.at_most is not None
            wanted, reached, certain = (
                f"≤ {goal.at_most:g}×",
                found.estimate <= goal.at_most,
                found.high <= goal.at_most,
            )
        verdict = "yes" if certain else "yes, within the noise" if reached else "no"
        rows.append((f"{goal.slow} / {goal.fast}", goal.batch_size, wanted, _format_interval(found), verdict))
    return tabulate(
        rows, ("ratio", "batch", "goal", "found [95 %]", "reached"), "github", disable_numparse=True
    ).splitlines()


def main() -> None:
    """Measure all services, print the tables, and write them into a report if requested."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="rounds of each service and batch size (default: 40)")
    known = [name for name in SERVICES if SERVICES[name] in ("tensorflow", "onnxruntime", "null")]
    parser.add_argument("--services", default=",".join(known), help="backends to time (default: %(default)s)")
    parser.add_argument("--report", type=Path, help="Markdown file whose numbers are replaced")
    arguments = parser.parse_args()
    mlp = go_json.read(MODEL)
    before, taken = machine_line(), {}
    with ExitStack() as stack:
        print("starting the services", flush=True)
        backends = open_backends(arguments.services.split(","), mlp, stack)
        for batch_size in BATCH_SIZES:
            batch = make_batch(mlp.input_size, batch_size)
            for name, backend in backends.items():
                check(name, backend, mlp, batch)
            taken[batch_size] = measure_in_turns(backends, batch, arguments.rounds)
        for backend in backends.values():
            backend.check_same_service()
    conditions = f"{MODEL.stem}, {arguments.rounds} rounds of {_ROUND_S * 1e3:g} ms or one call each"
    lines = [
        f"{conditions}; before: {before}; after: {machine_line()}",
        "",
        *goal_table(taken),
        "",
        *speed_table(taken),
    ]
    print("\n".join(lines))
    if arguments.report:
        write_numbers(arguments.report, "speed", lines)


if __name__ == "__main__":
    main()
