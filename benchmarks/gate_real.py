"""
Run the real gate on this suite many times, on unchanged code and on a candidate with known slowdowns in some cases.

Each run first measures baseline and candidate with one plain pytest-benchmark run each. Comparing these two runs shows
what --benchmark-compare-fail would report for mean, median and minimum. Then the gate compares the same two checkouts
with the command that a user would type (`pytest --gate-against COMMIT`).

Each finished run is appended to benchmarks/reports/gate_real.jsonl at once, so the program can be stopped and
continued. The numbers in benchmarks/reports/gate_real.md cover all runs in that file. Use an otherwise idle machine.

    python -m benchmarks.gate_real [--runs 10] [--commit HEAD] [--only same|slow] [--results FILE]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.gate_real_report import KINDS, STATISTICS, report_lines
from benchmarks.numbers import write_numbers
from runoff.gate.baseline.worktree import checkout, resolve_commit
from runoff.measurement.machine import processor_name, usable_cores

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "reports" / "gate_real.jsonl"
SUITE = (
    "tests/perf", "--batch-sizes", "64,256,1024", "--backends", "onnxruntime-cpu,numpy,onnxruntime-grpc,null-grpc",
    "--model", "fixtures/models/rps_h64_policy.model", "fixtures/models/rps_h256_policy.model",
)  # fmt: skip
# The cases that a "slow" run makes slower: by 5 % in process, by 10 % over gRPC. Their calls take so long
# that the wrapper's own overhead of 0.3 µs is negligible.
SLOWED = {
    "onnxruntime-cpu-rps_h64_policy-b1024": 0.05,
    "numpy-rps_h256_policy-b256": 0.05,
    "onnxruntime-grpc-rps_h64_policy-b64": 0.10,
    "null-grpc-rps_h256_policy-b1024": 0.10,
}
SLOWING_CONFTEST = '''
"""Make some cases slower by a fixed share of their own duration."""

import time

import pytest

SLOWED = {slowed}


class Slowed:
    def __init__(self, backend, share):
        self._backend, self._share = backend, share

    def predict(self, batch):
        start = time.perf_counter_ns()
        outputs = self._backend.predict(batch)
        now = time.perf_counter_ns()
        until = now + (now - start) * self._share
        while time.perf_counter_ns() < until:
            pass
        return outputs

    def __getattr__(self, name):
        return getattr(self._backend, name)


@pytest.fixture(scope="session")
def open_backend(open_backend):
    def get(case):
        backend = open_backend(case)
        return Slowed(backend, SLOWED[case.id]) if case.id in SLOWED else backend

    return get
'''


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10, help="runs of each kind, including those already in the file")
    parser.add_argument("--commit", default="HEAD", help="revision to compare with itself")
    parser.add_argument("--only", choices=KINDS, help="run only one of the two kinds")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file to which each run is appended")
    arguments = parser.parse_args()
    commit = resolve_commit(ROOT, arguments.commit)
    if commit is None:
        parser.error(f"--commit: found {arguments.commit}, expected a revision of this repository")
    arguments.results.parent.mkdir(exist_ok=True)
    for kind in [arguments.only] if arguments.only else KINDS:
        done = len([run for run in read_runs(arguments.results) if run["kind"] == kind])
        for number in range(done + 1, arguments.runs + 1):
            print(f"{kind}: run {number} of {arguments.runs}, {time.strftime('%H:%M:%S')}", flush=True)
            with checkouts(commit, kind) as (baseline, candidate):
                append_run(arguments.results, run_once(kind, commit, baseline, candidate))
    lines = report_lines(read_runs(arguments.results))
    print("\n".join(lines))
    report = arguments.results.with_suffix(".md")
    if report.exists():
        write_numbers(report, "runs", lines)


@contextmanager
def checkouts(commit: str, kind: str) -> Iterator[tuple[Path, Path]]:
    """Yield a checkout for the baseline and one for the candidate; if `kind` is "slow", the candidate has slowdowns."""
    with checkout(ROOT, commit) as baseline, checkout(ROOT, commit) as candidate:
        if kind == "slow":
            text = SLOWING_CONFTEST.format(slowed=SLOWED)
            (candidate / "tests" / "perf" / "conftest.py").write_text(text, encoding="utf-8")
        yield baseline, candidate


def run_once(kind: str, commit: str, baseline: Path, candidate: Path) -> dict[str, Any]:
    plain = [statistics_of(run_pytest(tree, ["--benchmark-only"])[1]) for tree in (baseline, candidate)]
    start = time.monotonic()
    code, saved = run_pytest(candidate, ["--gate-against", commit, "--gate-only"], show=True)
    verdicts = saved.get("gate", {}).get("verdicts", [])
    return {
        "kind": kind,
        "machine": f"{processor_name()}, {usable_cores()} cores",
        "commit": commit,
        "exit_code": code,
        "seconds": time.monotonic() - start,
        "slowed": list(SLOWED) if kind == "slow" else [],
        "gate": {short_id(verdict["case"]): verdict for verdict in verdicts},
        "plain": {case: [plain[0][case], plain[1][case]] for case in plain[0].keys() & plain[1].keys()},
    }


def run_pytest(tree: Path, options: Sequence[str], *, show: bool = False) -> tuple[int, dict[str, Any]]:
    """Run the suite in a checkout; return the exit code and the contents of the file that --benchmark-json wrote."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        options = [*options, f"--benchmark-json={out}", "-p", "no:cacheprovider"]
        command = [sys.executable, "-m", "pytest", *SUITE, *options]
        with subprocess.Popen(  # noqa: S603 - no shell; the arguments come from this file
            command,
            cwd=tree,
            env=os.environ | {"PYTHONPATH": str(tree / "src")},
            stdout=None if show else subprocess.DEVNULL,
        ) as process:
            try:
                code = process.wait()
            except KeyboardInterrupt:
                # Ctrl-C also interrupted pytest, so wait while pytest stops its workers.
                process.wait()
                raise
        return code, json.loads(out.read_bytes()) if out.exists() else {}


def statistics_of(saved: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {
        short_id(benchmark["fullname"]): {name: benchmark["stats"][name] for name in STATISTICS}
        for benchmark in saved.get("benchmarks", [])
    }


def short_id(case: str) -> str:
    return case.partition("[")[2].removesuffix("]") or case


def append_run(path: Path, run: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(run) + "\n")


def read_runs(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


if __name__ == "__main__":
    main()
