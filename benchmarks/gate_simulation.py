"""
How often the gate is wrong, and what it finds: thousands of simulated gates on made-up and on recorded noise.

Writes the tables to benchmarks/reports/gate_simulation.md. Everything is drawn from fixed seeds; on one machine the
same numbers come out each time.

    python -m benchmarks.gate_simulation [--runs 2000]
"""

import argparse
from pathlib import Path

from tabulate import tabulate
from tqdm import tqdm

from tests.support.gate_noise import (
    CASES,
    MACHINES,
    RECORDED,
    TOLERANCE,
    Outcome,
    Recording,
    Source,
    lower_confidence,
    naive_alarms,
    run_gates,
    upper_confidence,
)

REPORT = Path(__file__).parent / "reports" / "gate_simulation.md"
SLOWDOWNS = (0.03, 0.05, 0.10)
RECORDINGS = {
    "recorded, pinned, both cores": Recording(("lockstep_pinned_core0", "lockstep_pinned_core1")),
    "recorded, pinned, the worst (core 0, batch 1)": Recording(("lockstep_pinned_core0",), ("b1",)),
    "recorded, not pinned": Recording(("lockstep_unpinned",)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000, help="simulated gates per row")
    runs = parser.parse_args().runs
    sources: dict[str, Source] = {f"made up, {name}": machine for name, machine in MACHINES.items()}
    if RECORDED.is_dir():
        sources |= RECORDINGS
    alarms, power = [], []
    for name, source in tqdm(sources.items()):
        alarms.append(alarm_row(name, run_gates(source, runs)))
        outcomes = [run_gates(source, runs // 4, slowdown=slowdown, slowed=3) for slowdown in SLOWDOWNS]
        power.append((name, *(power_cell(outcome) for outcome in outcomes)))
    naive = naive_alarms(MACHINES["usual"], 200)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(report(runs, alarms, power, naive), encoding="utf-8")
    print(REPORT.read_text(encoding="utf-8"))


def alarm_row(name: str, outcome: Outcome) -> tuple[str, ...]:
    return (
        name,
        f"{outcome.false_alarms} of {outcome.runs}",
        f"{upper_confidence(outcome.false_alarms, outcome.runs):.2%}",
        f"{outcome.invalid / outcome.runs:.2%}",
        f"{outcome.second_looks / outcome.runs:.1f}",
    )


def power_cell(outcome: Outcome) -> str:
    return f"{outcome.found / outcome.slowed:.1%} (≥ {lower_confidence(outcome.found, outcome.slowed):.1%})"


def report(runs: int, alarms: list[tuple[str, ...]], power: list[tuple[str, ...]], naive: int) -> str:
    first = tabulate(
        alarms,
        ("noise", "runs with a false alarm", "at most (95 %)", "runs with an invalid case", "second looks per run"),
        tablefmt="pipe",
        disable_numparse=True,
    )
    second = tabulate(
        power,
        ("noise", *(f"+{slowdown:.0%} found (at least, 95 %)" for slowdown in SLOWDOWNS)),
        tablefmt="pipe",
        disable_numparse=True,
    )
    return f"""# The gate, simulated

{CASES} cases a run, tolerance {TOLERANCE:.0%}, α = 1 %, 5 blocks and 12 fresh ones. Written by
`benchmarks/gate_simulation.py`.

## False alarms: the same code on both sides, {runs} runs

{first}

Rounds of both sides measured apart, pooled and tested as if each were independent, on the "usual" noise above: a false
alarm in {naive} of 200 runs.

## Power: 3 of {CASES} cases slower, {runs // 4} runs

{second}

A slowdown of exactly the tolerance is a toss-up by construction: the estimate falls on either side of it.
"""


if __name__ == "__main__":
    main()
