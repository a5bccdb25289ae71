"""
Time how fast saved runs are read and evaluated by `runoff history`, for small, usual and large runs.

Run from the repository root: python -m benchmarks.history [--runs 300] [--repeats 5]
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmarks.numbers import machine_line
from runoff.records.folder import RunFolder
from runoff.report.trends import change_points, collect_series, history_lines
from tests.support.saved_runs import plain_run

# Number of cases per run. "usual" is as many as in benchmarks/gate_real.py.
SIZES = {"small": 1, "usual": 24, "large": 88}
# pytest-benchmark saves these fields, but runoff does not read them. Without them, the files would be too small to be
# realistic.
OPTIONS = {"disable_gc": False, "timer": "perf_counter", "min_rounds": 5, "max_time": 1.0, "min_time": 5e-06}
MORE_STATS = {"iqr_outliers": 0, "stddev_outliers": 3, "outliers": "3;0", "ld15iqr": 0.0028133425, "hd15iqr": 0.006834}
MACHINE = {"flags": [f"flag_{number}" for number in range(120)], "node": "here", "machine": "x86_64"}
FACTS = {
    "service_address": "127.0.0.1:42669",
    "service_backend": "onnxruntime-cpu",
    "hidden_size": 256,
    "service": True,
}


def make_run(cases: int, seed: int) -> dict[str, Any]:
    """Return a synthetic saved run with this number of cases; its fields are as large as in a real run."""
    draw = random.Random(seed)  # noqa: S311 - synthetic noise, no secret
    run = plain_run()
    (model,) = run["benchmarks"]
    run["machine_info"] = MACHINE
    run["benchmarks"] = [_make_benchmark(model, number, draw) for number in range(cases)]
    return run


def _make_benchmark(model: dict[str, Any], number: int, draw: random.Random) -> dict[str, Any]:
    latency_s = (1 + number) * 1e-5 * draw.lognormvariate(0, 0.03)
    case = f"onnxruntime-grpc-rps_h256_policy-b{number}"
    record: dict[str, Any] = {
        key: value * draw.uniform(0.99, 1.01) if isinstance(value, float) else value
        for key, value in model["extra_info"]["runoff"].items()
    }
    record |= {"case": case, "latency_s_per_batch": latency_s, "facts": record["facts"] | FACTS}
    return model | {
        "name": f"test_predict[{case}]",
        "fullname": f"tests/perf/test_predict.py::test_predict[{case}]",
        "params": {"backend": "onnxruntime-grpc", "model": "rps_h256_policy", "batch_size": number},
        "param": case,
        "extra_info": {"runoff": record},
        "options": OPTIONS,
        "stats": model["stats"] | MORE_STATS | {"median": latency_s},
    }


def read_all(folder: Path) -> None:
    """Read every saved run in the folder and check that none is invalid."""
    found = RunFolder(folder)
    assert sum(1 for _ in found.runs()) == len(found.files())


def show_history(folder: Path) -> None:
    """Do everything that `runoff history` does, except printing."""
    series = collect_series(RunFolder(folder).runs())
    history_lines(series, {index: change_points(each) for index, each in enumerate(series)})


def format_speed(process_folder: Callable[[Path], None], folder: Path, runs: int, repeats: int) -> str:
    """Time a function on a folder of saved runs; return runs per second as text: median (slowest–fastest repeat)."""
    runs_per_s = []
    for _ in range(repeats):
        start = time.perf_counter()
        process_folder(folder)
        runs_per_s.append(runs / (time.perf_counter() - start))
    runs_per_s.sort()
    return f"{runs_per_s[len(runs_per_s) // 2]:,.0f} ({runs_per_s[0]:,.0f}–{runs_per_s[-1]:,.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300, help="number of saved runs of each size (default: 300)")
    parser.add_argument("--repeats", type=int, default=5, help="number of times that each folder is read (default: 5)")
    arguments = parser.parse_args()
    rows = []
    for name, cases in SIZES.items():
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "this-machine"
            folder.mkdir()
            for number in range(arguments.runs):
                text = json.dumps(make_run(cases, number), indent=1)
                (folder / f"{number + 1:04}_run.json").write_text(text, encoding="utf-8")
            speeds = [
                format_speed(each, folder, arguments.runs, arguments.repeats) for each in (read_all, show_history)
            ]
            rows.append((name, cases, f"{len(text) / 1e3:.0f}", *speeds))
    print(f"{machine_line()}; {arguments.runs} runs of each size, median (slowest–fastest) of {arguments.repeats}")
    print(tabulate(rows, ("runs", "cases", "kB", "read, runs/s", "history, runs/s"), tablefmt="pipe"))


if __name__ == "__main__":
    main()
