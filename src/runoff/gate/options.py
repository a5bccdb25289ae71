"""Declare the gate's pytest options, parse their values, and check them before any test runs."""

import re
from argparse import ArgumentTypeError
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runoff.errors import UsageError, quote

MARKER = "gate(tolerance): how much slower this benchmark may become before the gate reports it, for example '10%'"


@dataclass(frozen=True)
class GateOptions:
    """
    The checked values of the gate's options.

    Attributes:
        against: The baseline as the user typed it; None if baseline and candidate differ only in their models.
        models: Absolute paths of the baseline's model files; empty if both sides use the same models.
        tolerance: Relative slowdown allowed for tests without a gate marker; 0.03 is 3 %.
        alpha: Highest accepted probability that a run reports at least one false regression.
        budget_s: Time limit of the comparison; None for no limit.
        strict: Whether an `inconclusive` verdict makes the run fail.
        only: Whether tests that are not benchmarks are deselected.
        markdown: File for the Markdown report; None for no report.
    """

    against: str | None
    models: tuple[str, ...]
    tolerance: float
    alpha: float
    budget_s: float | None
    strict: bool
    only: bool
    markdown: Path | None


def parse_tolerance(text: str) -> float:
    """Convert a percentage to a ratio: `3%` gives 0.03. Raise ArgumentTypeError unless it is from 0.01% to 100%."""
    match = re.fullmatch(r"(\d{1,4}(?:\.\d{1,6})?) ?%", text.strip(), re.ASCII)
    tolerance = float(match[1]) / 100 if match else 0.0
    # Changes below 0.01 % cannot be measured, and a tolerance above 100 % is probably a mistake, so reject both.
    if not 0.0001 <= tolerance <= 1.0:
        raise ArgumentTypeError(f"found {quote(text)}, expected a percentage from 0.01% to 100%, such as 3%")
    return tolerance


def parse_alpha(text: str) -> float:
    """Parse a probability that is greater than 0 and at most 0.5. Raise ArgumentTypeError for any other text."""
    with suppress(ValueError):
        if 0.0 < float(text) <= 0.5:
            return float(text)
    raise ArgumentTypeError(f"found {quote(text)}, expected a probability above 0, up to 0.5, such as 0.01")


def parse_duration_s(text: str) -> float:
    """Convert a duration to seconds: `1.5m` gives 90. Raise ArgumentTypeError if the duration has no unit or is 0."""
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)(s|m|h)", text.strip(), re.ASCII)
    seconds = float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]] if match else 0.0
    if not seconds:
        raise ArgumentTypeError(f"found {quote(text)}, expected a duration with its unit, such as 90s, 5m or 1h")
    return seconds


_OPTIONS: dict[str, dict[str, Any]] = {
    "--gate-against": {
        "metavar": "BASELINE",
        "help": "compare the benchmarks of this working tree with a baseline: a git revision, the folder of another"
        " checkout, another interpreter (.../bin/python), or a checkout and an interpreter (CHECKOUT:PYTHON)",
    },
    "--gate-against-models": {
        "nargs": "+",
        "metavar": "PATH",
        "help": "model files for the baseline, instead of the values of --model; tests with equal ids are compared",
    },
    "--gate-tolerance": {
        "type": parse_tolerance,
        "default": 0.03,
        "metavar": "PERCENT",
        "help": "how much slower a benchmark may become (default: 3%%);"
        " to change it for one test, use @pytest.mark.gate(tolerance='10%%')",
    },
    "--gate-alpha": {
        "type": parse_alpha,
        "default": 0.01,
        "metavar": "PROBABILITY",
        "help": "highest accepted probability that a whole run reports any false regression (default: 0.01)",
    },
    "--gate-budget": {
        "type": parse_duration_s,
        "metavar": "TIME",
        "help": "time limit of the comparison, for example 90s, 5m or 1h (default: no limit)",
    },
    "--gate-markdown": {"metavar": "FILE", "help": "write the verdicts to FILE as Markdown"},
    "--gate-strict": {"action": "store_true", "help": "exit with code 12 if any verdict is inconclusive"},
    "--gate-only": {"action": "store_true", "help": "run only the comparison, and deselect all other tests"},
}
# Workers receive all of the user's command-line arguments, so they must accept these options, which they ignore.
GATE_OPTIONS: dict[str, dict[str, str]] = {
    flag: {key: str(declared[key]) for key in ("action", "nargs") if key in declared}
    for flag, declared in _OPTIONS.items()
}


def add_options(parser: pytest.Parser) -> None:
    """Declare the gate's options to pytest."""
    group = parser.getgroup("runoff-gate", "runoff's gate: is the candidate slower than the baseline?")
    for flag, declared in _OPTIONS.items():
        group.addoption(flag, **declared)


def parse_options(config: pytest.Config) -> GateOptions | None:
    """
    Check the gate's options, and their conflicts with other plugins. Return None if no gate is requested.

    Raises:
        UsageError: If an option has an invalid value or conflicts with another option.
    """
    option = config.option
    if option.gate_against is None and not option.gate_against_models:
        for flag in ("--gate-only", "--gate-strict", "--gate-markdown", "--gate-budget"):
            if config.getoption(flag):
                raise UsageError(f"{flag}: there is no baseline to compare with; add --gate-against BASELINE")
        return None
    _check_other_options(config)
    markdown = Path(option.gate_markdown) if option.gate_markdown else None
    if markdown is not None and (markdown.is_dir() or not markdown.absolute().parent.is_dir()):
        raise UsageError(f"--gate-markdown: found {quote(option.gate_markdown)}, expected a file in an existing folder")
    return GateOptions(
        against=option.gate_against,
        models=tuple(str(Path(path).absolute()) for path in option.gate_against_models or ()),
        tolerance=option.gate_tolerance,
        alpha=option.gate_alpha,
        budget_s=option.gate_budget,
        strict=option.gate_strict,
        only=option.gate_only,
        markdown=markdown,
    )


def _check_other_options(config: pytest.Config) -> None:
    """Raise UsageError if another plugin is missing, or its options make a comparison impossible."""
    option = config.option
    if not config.pluginmanager.hasplugin("benchmark"):
        raise UsageError("--gate-against: pytest-benchmark is not active; install it, or remove -p no:benchmark")
    if getattr(option, "dist", "no") != "no" or getattr(option, "numprocesses", None):
        raise UsageError(
            "--gate-against: pytest-xdist is active, but tests that run at the same time disturb each other's timings;"
            " add -n0"
        )
    if option.benchmark_disable and not option.benchmark_enable:
        raise UsageError("--benchmark-disable: leaves nothing to compare; remove it or --gate-against")
    if option.benchmark_skip and not option.benchmark_only:
        raise UsageError("--benchmark-skip: leaves nothing to compare; remove it or --gate-against")
    if option.gate_against_models and not hasattr(option, "model"):
        raise UsageError("--gate-against-models: this suite has no option --model; use --gate-against BASELINE instead")


def tolerance_of(item: pytest.Item, default: float) -> float:
    """
    Return the relative slowdown allowed for a test: the value of its closest gate marker, or else the default.

    Raises:
        UsageError: If the marker is not of the form gate(tolerance='10%').
    """
    marker = item.get_closest_marker("gate")
    if marker is None:
        return default
    if marker.args or set(marker.kwargs) != {"tolerance"}:
        raise UsageError(f"{item.nodeid}: gate marker: expected only a tolerance: @pytest.mark.gate(tolerance='10%')")
    try:
        return parse_tolerance(str(marker.kwargs["tolerance"]))
    except ArgumentTypeError as error:
        raise UsageError(f"{item.nodeid}: tolerance of the gate marker: {error}") from None
