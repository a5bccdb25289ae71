"""
The gate on this machine and this suite: a tree against itself, and with slowdowns put into some cases of the candidate.

Every run is a gate as a user has it (`pytest --gate-against COMMIT`), preceded by two plain runs of the same cases, of
baseline and candidate, which are judged as --benchmark-compare-fail judges: by mean, median and minimum. Each run is
appended to benchmarks/reports/gate_real.jsonl as soon as it is done, so a run that was cut off is taken up again; the
report benchmarks/reports/gate_real.md is made of all of them. The machine should have nothing else to do.

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

from tabulate import tabulate

from runoff.gate.baseline.worktree import checkout, resolve_commit
from runoff.measurement.machine import processor_name, usable_cores

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "reports" / "gate_real.jsonl"
SUITE = (
    "tests/perf", "--batch-sizes", "64,256,1024", "--backends", "onnxruntime-cpu,numpy,onnxruntime-grpc,null-grpc",
    "--model", "fixtures/models/rps_h64_policy.model", "fixtures/models/rps_h256_policy.model",
)  # fmt: skip
# Case to slowdown: 5 % in process, 10 % of a service, at sizes where the wrapper's own 0.3 µs is nothing beside it.
SLOWED = {
    "onnxruntime-cpu-rps_h64_policy-b1024": 0.05,
    "numpy-rps_h256_policy-b256": 0.05,
    "onnxruntime-grpc-rps_h64_policy-b64": 0.10,
    "null-grpc-rps_h256_policy-b1024": 0.10,
}
KINDS = ("same", "slow")
# What a case may become slower by in the usual judgement, as in mean:5%.
LIMIT = 0.05
STATISTICS = ("mean", "median", "min")
SLOWING_CONFTEST = '''
"""Makes some cases slower by a share of what they take."""

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
    parser.add_argument("--runs", type=int, default=10, help="gates of each kind in all, earlier ones included")
    parser.add_argument("--commit", default="HEAD", help="what is judged")
    parser.add_argument("--only", choices=KINDS, help="one kind only")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where each run is appended")
    arguments = parser.parse_args()
    commit = resolve_commit(ROOT, arguments.commit)
    if commit is None:
        parser.error(f"no revision {arguments.commit}")
    arguments.results.parent.mkdir(exist_ok=True)
    for kind in [arguments.only] if arguments.only else KINDS:
        done = len([run for run in read(arguments.results) if run["kind"] == kind])
        for number in range(done + 1, arguments.runs + 1):
            print(f"{kind}: run {number} of {arguments.runs}, {time.strftime('%H:%M:%S')}", flush=True)
            with trees(commit, kind) as (baseline, candidate):
                append(arguments.results, one_run(kind, commit, baseline, candidate))
    report = arguments.results.with_suffix(".md")
    report.write_text(report_of(read(arguments.results)), encoding="utf-8")
    print(report.read_text(encoding="utf-8"))


@contextmanager
def trees(commit: str, kind: str) -> Iterator[tuple[Path, Path]]:
    """Yield a baseline's and a candidate's checkout; the candidate's has its slowdowns."""
    with checkout(ROOT, commit) as baseline, checkout(ROOT, commit) as candidate:
        if kind == "slow":
            text = SLOWING_CONFTEST.format(slowed=SLOWED)
            (candidate / "tests" / "perf" / "conftest.py").write_text(text, encoding="utf-8")
        yield baseline, candidate


def one_run(kind: str, commit: str, baseline: Path, candidate: Path) -> dict[str, Any]:
    plain = [statistics_of(pytest(tree, ["--benchmark-only"])[1]) for tree in (baseline, candidate)]
    start = time.monotonic()
    code, saved = pytest(candidate, ["--gate-against", commit, "--gate-only"], show=True)
    verdicts = saved.get("gate", {}).get("verdicts", [])
    return {
        "kind": kind,
        "commit": commit,
        "exit_code": code,
        "seconds": time.monotonic() - start,
        "slowed": list(SLOWED) if kind == "slow" else [],
        "gate": {short(verdict["case"]): verdict for verdict in verdicts},
        "plain": {case: [plain[0][case], plain[1][case]] for case in plain[0].keys() & plain[1].keys()},
    }


def pytest(tree: Path, words: Sequence[str], *, show: bool = False) -> tuple[int, dict[str, Any]]:
    """Run the suite in a tree; return the exit code and what --benchmark-json wrote."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        command = [sys.executable, "-m", "pytest", *SUITE, *words, f"--benchmark-json={out}", "-p", "no:cacheprovider"]
        with subprocess.Popen(  # noqa: S603 - our own words
            command,
            cwd=tree,
            env=os.environ | {"PYTHONPATH": str(tree / "src")},
            stdout=None if show else subprocess.DEVNULL,
        ) as process:
            try:
                code = process.wait()
            except KeyboardInterrupt:
                # It was told too, and has children to end.
                process.wait()
                raise
        return code, json.loads(out.read_bytes()) if out.exists() else {}


def statistics_of(saved: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {
        short(benchmark["fullname"]): {name: benchmark["stats"][name] for name in STATISTICS}
        for benchmark in saved.get("benchmarks", [])
    }


def short(case: str) -> str:
    return case.partition("[")[2].removesuffix("]") or case


def append(path: Path, run: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(run) + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def report_of(runs: Sequence[dict[str, Any]]) -> str:
    lines = [
        "# The gate on a real machine",
        "",
        f"{processor_name()}, {usable_cores()} cores. Written by `benchmarks/gate_real.py`; one line a run, in the",
        "order they were made. `named` are cases called slower; in a `slow` run the candidate has"
        f" {len(SLOWED)} slower cases:",
        "",
        *(f"- `{case}` by {share:.0%}" for case, share in SLOWED.items()),
        "",
    ]
    headers = ("run", "cases", "seconds", "exit", "gate: named right", "gate: named wrong", "gate: other verdicts")
    lines += tabulate([gate_row(run) for run in runs], headers, tablefmt="pipe", disable_numparse=True).splitlines()
    lines += [
        "",
        f"The same runs judged as `--benchmark-compare-fail` does, at {LIMIT:.0%}: named right / named wrong.",
        "",
    ]
    rows = [(run["kind"], *(compare_fail_cell(run, statistic) for statistic in STATISTICS)) for run in runs]
    lines += tabulate(rows, ("run", *STATISTICS), tablefmt="pipe", disable_numparse=True).splitlines()
    return "\n".join([*lines, "", *conclusions(runs)]) + "\n"


def gate_row(run: dict[str, Any]) -> tuple[str, ...]:
    words = {case: verdict["word"] for case, verdict in run["gate"].items()}
    named = {case for case, word in words.items() if word == "regression"}
    others = [word for word in words.values() if word not in ("ok", "regression")]
    counted = ", ".join(f"{others.count(word)} {word}" for word in dict.fromkeys(others))
    right, wrong = named & set(run["slowed"]), named - set(run["slowed"])
    right_of = f"{len(right)} of {len(run['slowed'])}"
    return (
        run["kind"],
        str(len(words)),
        f"{run['seconds']:.0f}",
        str(run["exit_code"]),
        right_of,
        str(len(wrong)),
        counted,
    )


def compare_fail_named(run: dict[str, Any], statistic: str) -> set[str]:
    return {case for case, (old, new) in run["plain"].items() if new[statistic] / old[statistic] - 1 > LIMIT}


def compare_fail_cell(run: dict[str, Any], statistic: str) -> str:
    named, slowed = compare_fail_named(run, statistic), set(run["slowed"])
    return f"{len(named & slowed)} of {len(slowed)} / {len(named - slowed)}"


def conclusions(runs: Sequence[dict[str, Any]]) -> list[str]:
    def summary(name: str, named: Sequence[set[str]]) -> str:
        wrong = sum(bool(found - set(run["slowed"])) for found, run in zip(named, runs, strict=True))
        right = sum(len(found & set(run["slowed"])) for found, run in zip(named, runs, strict=True))
        slowed = sum(len(run["slowed"]) for run in runs)
        return f"- {name}: {wrong} of {len(runs)} runs with a false alarm, {right} of {slowed} slowdowns named"

    gate = [{case for case, verdict in run["gate"].items() if verdict["word"] == "regression"} for run in runs]
    usual = [(f"`{name}:{LIMIT:.0%}`", [compare_fail_named(run, name) for run in runs]) for name in STATISTICS]
    seconds = {kind: [run["seconds"] for run in runs if run["kind"] == kind] for kind in KINDS}
    took = [f"`{kind}` runs took {min(each):.0f} to {max(each):.0f} s" for kind, each in seconds.items() if each]
    return [*(summary(name, named) for name, named in [("the gate", gate), *usual]), f"- {'; '.join(took)}"]


if __name__ == "__main__":
    main()
