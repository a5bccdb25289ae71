"""Create the tables of benchmarks/reports/gate_real.md from the runs that benchmarks/gate_real.py has saved."""

from collections.abc import Sequence
from typing import Any

from tabulate import tabulate

KINDS = ("same", "slow")
STATISTICS = ("mean", "median", "min")
# The report compares the gate with --benchmark-compare-fail=mean:5%, so this is the tolerance of that option.
COMPARE_FAIL_TOLERANCE = 0.05


def report_lines(runs: Sequence[dict[str, Any]]) -> list[str]:
    gate_headers = ("kind", "cases", "seconds", "exit code", "slowdowns found", "false alarms", "other verdicts")
    gate_rows = [gate_row(run) for run in runs]
    fail_headers = ("kind", *STATISTICS)
    fail_rows = [(run["kind"], *(compare_fail_cell(run, statistic) for statistic in STATISTICS)) for run in runs]
    return [
        f"Measured on {'; '.join(dict.fromkeys(run['machine'] for run in runs))}.",
        "",
        *summary_lines(runs),
        "",
        "The gate, one line per run:",
        "",
        *tabulate(gate_rows, gate_headers, tablefmt="pipe", disable_numparse=True).splitlines(),
        "",
        f"`--benchmark-compare-fail` at {COMPARE_FAIL_TOLERANCE:.0%} in the same runs: slowdowns found / false alarms.",
        "",
        *tabulate(fail_rows, fail_headers, tablefmt="pipe", disable_numparse=True).splitlines(),
    ]


def gate_row(run: dict[str, Any]) -> tuple[str, ...]:
    verdicts = [verdict["word"] for verdict in run["gate"].values()]
    regressions, slowed = gate_regressions(run), set(run["slowed"])
    others = [verdict for verdict in verdicts if verdict not in ("ok", "regression")]
    return (
        run["kind"],
        str(len(verdicts)),
        f"{run['seconds']:.0f}",
        str(run["exit_code"]),
        f"{len(regressions & slowed)} of {len(slowed)}",
        str(len(regressions - slowed)),
        ", ".join(f"{others.count(verdict)} {verdict}" for verdict in dict.fromkeys(others)),
    )


def gate_regressions(run: dict[str, Any]) -> set[str]:
    return {case for case, verdict in run["gate"].items() if verdict["word"] == "regression"}


def compare_fail_regressions(run: dict[str, Any], statistic: str) -> set[str]:
    return {
        case
        for case, (baseline, candidate) in run["plain"].items()
        if candidate[statistic] / baseline[statistic] - 1 > COMPARE_FAIL_TOLERANCE
    }


def compare_fail_cell(run: dict[str, Any], statistic: str) -> str:
    regressions, slowed = compare_fail_regressions(run, statistic), set(run["slowed"])
    return f"{len(regressions & slowed)} of {len(slowed)} / {len(regressions - slowed)}"


def summary_lines(runs: Sequence[dict[str, Any]]) -> list[str]:
    def summary(method: str, regressions: Sequence[set[str]]) -> str:
        pairs = [(found, set(run["slowed"])) for found, run in zip(regressions, runs, strict=True)]
        false_alarms = sum(bool(found - slowed) for found, slowed in pairs)
        found_cases = sum(len(found & slowed) for found, slowed in pairs)
        slowed_cases = sum(len(slowed) for _, slowed in pairs)
        alarms = f"{false_alarms} of {len(runs)} runs with a false alarm"
        return f"- {method}: {alarms}, {found_cases} of {slowed_cases} slowdowns found"

    lines = [summary("the gate", [gate_regressions(run) for run in runs])]
    for statistic in STATISTICS:
        regressions = [compare_fail_regressions(run, statistic) for run in runs]
        lines.append(summary(f"`{statistic}:{COMPARE_FAIL_TOLERANCE:.0%}`", regressions))
    seconds = {kind: [run["seconds"] for run in runs if run["kind"] == kind] for kind in KINDS}
    ranges = [f"`{kind}` runs took {min(each):.0f} to {max(each):.0f} s" for kind, each in seconds.items() if each]
    return [*lines, f"- time of the gate: {'; '.join(ranges)}"]
