"""A gate's result -> lines for a terminal, Markdown, JSON and JUnit properties. Prints nothing itself."""

import math
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tabulate import tabulate

from runoff.gate.run.result import CaseVerdict, GateResult
from runoff.gate.statistics.decision import Verdict
from runoff.units import format_duration

JSON_SCHEMA = 1
_HEADERS = ("case", "baseline → candidate", "change [90 % interval]", "tolerance", "verdict")
_ALIGNMENT = ("left", "right", "right", "right", "left")
_COMPARED = (Verdict.REGRESSION, Verdict.INCONCLUSIVE, Verdict.IMPROVEMENT, Verdict.OK, Verdict.INVALID)


def terminal_lines(result: GateResult, repeat_words: Sequence[str]) -> list[str]:
    """
    Say what the gate found.

    Args:
        result: Of a gate.
        repeat_words: The command that repeats it, less the tests.

    Returns:
        Lines: a table, the worst first; reasons; notes; the command that repeats one case; a conclusion.
    """
    lines = []
    if result.verdicts:
        rows = [_row(verdict) for verdict in result.verdicts]
        lines += tabulate(rows, _HEADERS, disable_numparse=True, colalign=_ALIGNMENT).splitlines()
    lines += _explanations(result)
    lines += [f"note: {note}" for note in result.notes]
    if result.verdicts and not result.refused:
        lines.append(f"to repeat one case: {_repeat_command(result.verdicts[0], repeat_words)}")
    return [*lines, _conclusion(result)]


def markdown_lines(result: GateResult, repeat_words: Sequence[str]) -> list[str]:
    """Say the same as Markdown; as `terminal_lines`."""
    lines = [f"### Gate: {_escaped(_conclusion(result))}", ""]
    if result.verdicts:
        rows = [tuple(map(_escaped, _row(verdict))) for verdict in result.verdicts]
        lines += tabulate(rows, _HEADERS, tablefmt="pipe", disable_numparse=True, colalign=_ALIGNMENT).splitlines()
        lines.append("")
    lines += [f"- {_escaped(line)}" for line in (*_explanations(result), *(f"note: {note}" for note in result.notes))]
    if result.verdicts and not result.refused:
        # A code span cannot be escaped into: a test id may hold a backtick.
        lines += ["", "To repeat one case:", "", f"    {_repeat_command(result.verdicts[0], repeat_words)}"]
    return lines


def junit_properties(verdict: CaseVerdict) -> list[tuple[str, object]]:
    """Return a verdict as JUnit properties of its test."""
    found: list[tuple[str, object]] = [("gate_verdict", str(verdict.verdict)), ("gate_tolerance", verdict.tolerance)]
    if verdict.reason:
        found.append(("gate_reason", verdict.reason))
    if verdict.finding is not None:
        found += [
            (f"gate_{key}", _finite(getattr(verdict.finding, key))) for key in ("change", "low", "high", "blocks")
        ]
        found += [("gate_baseline_s", verdict.baseline_s), ("gate_candidate_s", verdict.candidate_s)]
    return found


def as_json(result: GateResult, exit_code: int) -> dict[str, Any]:
    """Return a result as plain JSON values, for a saved run; numbers that are not finite become null."""
    verdicts = [
        {key: _finite(value) for key, value in asdict(verdict).items() if key not in ("finding", "verdict")}
        | {"word": str(verdict.verdict), "finding": _plain_finding(verdict)}
        for verdict in result.verdicts
    ]
    return {
        "schema": JSON_SCHEMA,
        "against": result.against,
        "baseline": result.baseline,
        "alpha": result.alpha,
        "seconds": result.seconds,
        "exit_code": exit_code,
        "refused": result.refused,
        "never_a_baseline_because": result.no_baseline_because,
        "notes": list(result.notes),
        "verdicts": verdicts,
    }


def _plain_finding(verdict: CaseVerdict) -> dict[str, Any] | None:
    if verdict.finding is None:
        return None
    return {key: _finite(value) for key, value in asdict(verdict.finding).items()} | {
        "word": str(verdict.finding.verdict)
    }


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _row(verdict: CaseVerdict) -> tuple[str, ...]:
    finding, tolerance = verdict.finding, _percent(verdict.tolerance, sign=False)
    name = verdict.case.rpartition("/")[2]
    if finding is None or verdict.baseline_s is None or verdict.candidate_s is None:
        return name, "", "", tolerance, str(verdict.verdict)
    times = f"{format_duration(verdict.baseline_s)} → {format_duration(verdict.candidate_s)}"
    change = f"{_percent(finding.change)} [{_percent(finding.low)}, {_percent(finding.high)}]"
    return name, times, change, tolerance, str(verdict.verdict)


def _percent(ratio: float, *, sign: bool = True) -> str:
    if math.isnan(ratio):
        return ""
    if math.isinf(ratio) or ratio <= -1.0:
        return "?"
    return f"{ratio:+.1%}" if sign else f"{100 * ratio:.3g}%"


def _explanations(result: GateResult) -> list[str]:
    """Return a line for each verdict that its numbers do not explain."""
    lines = []
    for verdict in result.of(Verdict.INCONCLUSIVE, Verdict.INVALID, Verdict.MISSING, Verdict.NEW):
        finding = verdict.finding
        if finding is not None and verdict.verdict is Verdict.INVALID:
            reason = f"the baseline differs from itself by {_percent(finding.null_change)}: nothing can be said"
        elif finding is not None and finding.smallest_visible is not None:
            reason = f"the smallest slowdown these blocks could have shown is {_percent(finding.smallest_visible)}"
        else:
            reason = verdict.reason
        lines.append(f"{verdict.case.rpartition('/')[2]}: {verdict.verdict}: {reason}")
    if result.skipped:
        lines.append(f"{len(result.skipped)} skipped on both sides")
    return lines


def _conclusion(result: GateResult) -> str:
    if result.refused:
        return f"gate against {result.against}: {result.refused}"
    counts = [f"{len(found)} {word}" for word in Verdict for found in [result.of(word)] if found]
    blocks = max((verdict.finding.blocks for verdict in result.verdicts if verdict.finding), default=0)
    return f"gate against {result.baseline}: {', '.join(counts)}; {result.seconds:.0f} s, up to {blocks} blocks a case"


def _repeat_command(verdict: CaseVerdict, words: Sequence[str]) -> str:
    # The test first: an option that takes many values would swallow it.
    at = list(words).index("pytest") + 1 if "pytest" in words else len(words)
    return shlex.join([*words[:at], verdict.case, *words[at:]])


def _escaped(text: str) -> str:
    """Return text that means itself in a Markdown table: ids and reasons come from anywhere."""
    for letter in "\\`*_[]<>|":
        text = text.replace(letter, f"\\{letter}")
    return " ".join(text.split())
