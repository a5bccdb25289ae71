"""Format the result of a gate run as terminal lines, Markdown, JSON and JUnit properties, without printing anything."""

import math
import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tabulate import tabulate

from runoff.files.short_path import short_program_path
from runoff.gate.baseline.side import Invocation
from runoff.gate.run.result import CaseVerdict, GateResult
from runoff.gate.statistics.decision import Verdict
from runoff.units import format_duration, format_items

_JSON_SCHEMA = 1
_HEADERS = ("case", "baseline → candidate", "change [90 % interval]", "tolerance", "verdict")
_ALIGNMENT = ("left", "right", "right", "right", "left")


def terminal_lines(result: GateResult, invocation: Invocation) -> list[str]:
    """
    Format a gate result for the terminal. `invocation` is the user's pytest command line.

    The lines are a table with the worst case first, reasons for verdicts, notes, the command that repeats the worst
    case, and a conclusion.
    """
    lines = []
    if result.verdicts:
        rows = [_row(case_verdict) for case_verdict in result.verdicts]
        lines += tabulate(rows, _HEADERS, disable_numparse=True, colalign=_ALIGNMENT).splitlines()
    lines += _remarks(result)
    if result.verdicts and not result.refused:
        lines.append(f"to repeat one case: {_repeat_command(result.verdicts[0], invocation)}")
    return [*lines, _conclusion(result)]


def markdown_lines(result: GateResult, invocation: Invocation) -> list[str]:
    """Format a gate result as Markdown, with the same arguments and contents as `terminal_lines`."""
    lines = [f"### Gate: {_escaped(_conclusion(result))}", ""]
    if result.verdicts:
        rows = [tuple(map(_escaped, _row(case_verdict))) for case_verdict in result.verdicts]
        lines += tabulate(rows, _HEADERS, tablefmt="pipe", disable_numparse=True, colalign=_ALIGNMENT).splitlines()
        lines.append("")
    lines += [f"- {_escaped(line)}" for line in _remarks(result)]
    if result.verdicts and not result.refused:
        # Indent the command as a code block, because a backtick in a test id would end an inline code span.
        lines += ["", "To repeat one case:", "", f"    {_repeat_command(result.verdicts[0], invocation)}"]
    return lines


def junit_properties(case_verdict: CaseVerdict) -> list[tuple[str, object]]:
    """Return the verdict and the numbers of a case as JUnit properties of its test."""
    finding = case_verdict.finding
    properties: dict[str, object] = {"verdict": str(case_verdict.verdict), "tolerance": case_verdict.tolerance}
    if case_verdict.reason:
        properties["reason"] = case_verdict.reason
    if finding is not None:
        properties |= {key: _finite(getattr(finding, key)) for key in ("change", "low", "high", "blocks")}
        properties |= {"baseline_s": case_verdict.baseline_s, "candidate_s": case_verdict.candidate_s}
    return [(f"gate_{key}", value) for key, value in properties.items()]


def as_json(result: GateResult, exit_code: int) -> dict[str, Any]:
    """Convert a gate result to JSON values for a saved run. NaN and infinity become null, because JSON lacks them."""
    verdicts = [asdict(case_verdict) for case_verdict in result.verdicts]
    for fields in [*verdicts, *(each["finding"] for each in verdicts if each["finding"])]:
        # Use the key "word" for the verdict, as earlier versions did, so that programs can read old and new runs.
        fields["word"] = str(fields.pop("verdict"))
        fields.update({key: _finite(value) for key, value in fields.items()})
    return {
        "schema": _JSON_SCHEMA,
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


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _row(case_verdict: CaseVerdict) -> tuple[str, ...]:
    """Return the table row of one case. The times and the change are empty if the case was not compared."""
    finding, tolerance = case_verdict.finding, _percent(case_verdict.tolerance, sign=False)
    name, verdict = _short_id(case_verdict), str(case_verdict.verdict)
    if finding is None or case_verdict.baseline_s is None or case_verdict.candidate_s is None:
        return name, "", "", tolerance, verdict
    times = f"{format_duration(case_verdict.baseline_s)} → {format_duration(case_verdict.candidate_s)}"
    change = f"{_percent(finding.change)} [{_percent(finding.low)}, {_percent(finding.high)}]"
    return name, times, change, tolerance, verdict


def _short_id(case_verdict: CaseVerdict) -> str:
    """Return the test id of a case without its folders: `test_x.py::test_some`."""
    return case_verdict.case[case_verdict.case.partition("::")[0].rfind("/") + 1 :]  # parameters may contain slashes


def _percent(ratio: float, *, sign: bool = True) -> str:
    """Format a relative change. NaN becomes empty; an infinite bound, caused by too few blocks, becomes `?`."""
    if math.isnan(ratio):
        return ""
    if math.isinf(ratio) or ratio <= -1.0:
        return "?"
    return f"{ratio:+.1%}" if sign else f"{100 * ratio:.3g}%"


def _remarks(result: GateResult) -> list[str]:
    """Return one line for each verdict that the numbers in the table do not explain, and one line for each note."""
    lines = []
    for case_verdict in result.of(Verdict.INCONCLUSIVE, Verdict.INVALID, Verdict.MISSING, Verdict.NEW):
        finding = case_verdict.finding
        if finding is not None and case_verdict.verdict is Verdict.INVALID:
            reason = f"not judged, because two copies of the baseline differ by {_percent(finding.null_change)}"
        elif finding is not None and finding.smallest_visible is not None:
            reason = f"the smallest slowdown these blocks could have shown is {_percent(finding.smallest_visible)}"
        else:
            reason = case_verdict.reason
        lines.append(f"{_short_id(case_verdict)}: {case_verdict.verdict}: {reason}")
    if result.skipped:
        lines.append(f"{len(result.skipped)} skipped on both sides")
    return lines + [f"note: {note}" for note in result.notes]


def _conclusion(result: GateResult) -> str:
    if result.refused:
        return f"gate against {result.against}: {result.refused}"
    counts = [f"{len(cases)} {verdict}" for verdict in Verdict if (cases := result.of(verdict))]
    blocks = max((each.finding.blocks for each in result.verdicts if each.finding), default=0)
    size = f"{result.seconds:.0f} s, up to {format_items(blocks, 'block')} a case"
    return f"gate against {result.baseline}: {', '.join(counts)}; {size}"


def _repeat_command(case_verdict: CaseVerdict, invocation: Invocation) -> str:
    """Return the shell command that repeats the gate for one case in the folder in which the user called pytest."""
    file, separator, test = case_verdict.case.partition("::")
    test_id = os.path.relpath(invocation.root / file, invocation.folder) + separator + test
    python = short_program_path(Path(sys.executable), invocation.folder)
    # Put the test id first: after `--model a.model`, pytest would read it as the path of a second model.
    return shlex.join([python, "-m", "pytest", test_id, *invocation.options])


def _escaped(text: str) -> str:
    """Put text on one line and escape Markdown's special characters, because test ids may contain any character."""
    for character in "\\`*_[]<>|":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
