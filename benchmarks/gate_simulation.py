"""
Simulate thousands of gate runs to count how often the gate raises a false alarm and how many slowdowns it finds.

The noise is synthetic or recorded. All seeds are fixed, so the same machine always gives the same numbers. The program
writes them into the two tables of benchmarks/reports/gate_simulation.md.

    python -m benchmarks.gate_simulation [--runs 2000]
"""

import argparse
from pathlib import Path

from tabulate import tabulate
from tqdm import tqdm

from benchmarks.numbers import write_numbers
from tests.support.gate_noise import (
    CASES,
    MACHINES,
    RECORDINGS_FOLDER,
    BlockSource,
    Recording,
    SimulationCounts,
    count_naive_alarms,
    lower_confidence,
    simulate_gates,
    upper_confidence,
)

REPORT = Path(__file__).parent / "reports" / "gate_simulation.md"
SLOWDOWNS = (0.03, 0.05, 0.10)
SLOWED_CASES = 3
NAIVE_RUNS = 200
RECORDINGS = {
    "recorded, pinned, both cores": Recording(("lockstep_pinned_core0", "lockstep_pinned_core1")),
    "recorded, pinned, the worst (core 0, batch 1)": Recording(("lockstep_pinned_core0",), ("b1",)),
    "recorded, not pinned": Recording(("lockstep_unpinned",)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000, help="simulated runs per row of the table of false alarms")
    runs = parser.parse_args().runs
    sources: dict[str, BlockSource] = {f"synthetic, {name}": machine for name, machine in MACHINES.items()}
    if RECORDINGS_FOLDER.is_dir():
        sources |= RECORDINGS
    alarm_rows, power_rows = [], []
    for name, source in tqdm(sources.items()):
        alarm_rows.append(alarm_row(name, simulate_gates(source, runs)))
        power_rows.append((name, *(power_cell(source, runs // 4, slowdown) for slowdown in SLOWDOWNS)))
    write_numbers(REPORT, "false alarms", alarm_lines(runs, alarm_rows))
    write_numbers(REPORT, "power", power_lines(runs // 4, power_rows))
    print(REPORT.read_text(encoding="utf-8"))


def alarm_row(name: str, counts: SimulationCounts) -> tuple[str, ...]:
    return (
        name,
        f"{counts.false_alarm_runs} of {counts.runs}",
        f"{upper_confidence(counts.false_alarm_runs, counts.runs):.2%}",
        f"{counts.invalid_runs / counts.runs:.2%}",
        f"{counts.second_stage_cases / counts.runs:.1f}",
    )


def power_cell(source: BlockSource, runs: int, slowdown: float) -> str:
    counts = simulate_gates(source, runs, slowdown=slowdown, slowed=SLOWED_CASES)
    lowest = lower_confidence(counts.found_cases, counts.slowed_cases)
    return f"{counts.found_cases / counts.slowed_cases:.1%} (≥ {lowest:.1%})"


def alarm_lines(runs: int, rows: list[tuple[str, ...]]) -> list[str]:
    headers = (
        "noise",
        "runs with a false alarm",
        "true rate at most (95 %)",
        "runs with an invalid case",
        "cases in the second stage, per run",
    )
    naive_alarms = count_naive_alarms(MACHINES["usual"], NAIVE_RUNS)
    return [
        f"{runs} runs for each kind of noise, the same code on both sides:",
        "",
        *tabulate(rows, headers, tablefmt="pipe", disable_numparse=True).splitlines(),
        "",
        f"The naive comparison gives a false alarm in {naive_alarms} of {NAIVE_RUNS} runs on the noise"
        ' "synthetic, usual".',
    ]


def power_lines(runs: int, rows: list[tuple[str, ...]]) -> list[str]:
    headers = ("noise", *(f"+{slowdown:.0%} found (true rate at least, 95 %)" for slowdown in SLOWDOWNS))
    return [
        f"{runs} runs for each cell; {SLOWED_CASES} of the {CASES} cases are slower:",
        "",
        *tabulate(rows, headers, tablefmt="pipe", disable_numparse=True).splitlines(),
    ]


if __name__ == "__main__":
    main()
