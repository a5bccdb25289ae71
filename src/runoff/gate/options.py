"""The gate's options: declared, parsed and checked before anything runs."""

import argparse
import math
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from runoff.errors import UsageError, quote

# Flag to how many values it takes; the children have to bear these among their arguments.
GATE_OPTIONS = {
    "--gate-against": "one",
    "--gate-against-models": "many",
    "--gate-tolerance": "one",
    "--gate-alpha": "one",
    "--gate-budget": "one",
    "--gate-markdown": "one",
    "--gate-strict": "flag",
    "--gate-only": "flag",
}
DEFAULT_TOLERANCE, DEFAULT_ALPHA = 0.03, 0.01
MARKER = "gate(tolerance): how much slower this benchmark may become, such as '10%'"


@dataclass(frozen=True)
class GateOptions:
    """
    What the user asked the gate for.

    Attributes:
        against: The baseline, as typed; None if only the models differ.
        models: Model files of the baseline, if they differ.
        tolerance: Relative, of tests without a marker.
        alpha: Chance of any false regression in a run, at most.
        budget_s: Longest time; None for as long as it takes.
        strict: Whether `inconclusive` fails.
        only: Whether ordinary tests are left out.
        markdown: Where the report goes; None for nowhere.
    """

    against: str | None
    models: tuple[str, ...]
    tolerance: float
    alpha: float
    budget_s: float | None
    strict: bool
    only: bool
    markdown: Path | None


def add_options(parser: pytest.Parser) -> None:
    """Declare the gate's options."""
    group = parser.getgroup("runoff-gate", "runoff's gate: is the candidate slower than the baseline?")
    group.addoption(
        "--gate-against",
        metavar="BASELINE",
        help="compare the benchmarks of this tree with those of a git revision, of another checkout, of another"
        " interpreter (.../bin/python), or of both (CHECKOUT:PYTHON)",
    )
    group.addoption(
        "--gate-against-models",
        nargs="+",
        metavar="PATH",
        help="compare the same tests on other model files, matched by name (the suite's option --model)",
    )
    group.addoption(
        "--gate-tolerance",
        type=parse_tolerance,
        default=DEFAULT_TOLERANCE,
        metavar="PERCENT",
        help="how much slower a benchmark may become (default: 3%%); per test: @pytest.mark.gate(tolerance='10%%')",
    )
    group.addoption(
        "--gate-alpha",
        type=parse_alpha,
        default=DEFAULT_ALPHA,
        metavar="CHANCE",
        help="chance of a false alarm in a whole run, at most (default: 0.01)",
    )
    group.addoption(
        "--gate-budget", type=parse_duration_s, metavar="TIME", help="longest time of the comparison: 90s, 5m, 1h"
    )
    group.addoption("--gate-markdown", metavar="FILE", help="write the verdicts there as Markdown")
    group.addoption("--gate-strict", action="store_true", help="exit with 12 if a verdict is inconclusive")
    group.addoption("--gate-only", action="store_true", help="run no ordinary tests, only the comparison")


def parse_options(config: pytest.Config) -> GateOptions | None:
    """
    Check what the user asked for.

    Args:
        config: pytest's, with its options parsed.

    Returns:
        The options; None if no gate is wanted.

    Raises:
        UsageError: If something cannot be used; nothing has run.
    """
    option = config.option
    if option.gate_against is None and not option.gate_against_models:
        if option.gate_only or option.gate_strict or option.gate_markdown or option.gate_budget:
            raise UsageError("--gate-… without a baseline compares nothing; name one with --gate-against")
        return None
    if not config.pluginmanager.hasplugin("benchmark"):
        raise UsageError("--gate-against needs pytest-benchmark, which is not active here")
    if getattr(option, "dist", "no") != "no" or getattr(option, "numprocesses", None):
        raise UsageError("--gate-against: pytest-xdist runs tests beside each other, which no timing survives; add -n0")
    if option.benchmark_disable and not option.benchmark_enable:
        raise UsageError("--benchmark-disable leaves nothing to compare; leave it or --gate-against out")
    if option.benchmark_skip and not option.benchmark_only:
        raise UsageError("--benchmark-skip leaves nothing to compare; leave it or --gate-against out")
    if option.gate_against_models and not hasattr(option, "model"):
        raise UsageError("--gate-against-models is for suites with an option --model; this one has none")
    markdown = Path(option.gate_markdown) if option.gate_markdown else None
    if markdown is not None and (markdown.is_dir() or not markdown.absolute().parent.is_dir()):
        raise UsageError(f"--gate-markdown {quote(option.gate_markdown)}: is not a file that can be written")
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


def parse_tolerance(text: str) -> float:
    """Parse a percentage, `3%`, to 0.03."""
    match = re.fullmatch(r"(\d{1,4}(?:\.\d{1,6})?) ?%", text.strip(), re.ASCII)
    tolerance = float(match[1]) / 100 if match else 0.0
    # Twice as slow is no tolerance any more; a hundredth of a per cent nobody can measure.
    if not 0.0001 <= tolerance <= 1.0:
        raise argparse.ArgumentTypeError(f"{quote(text)}, expected a percentage from 0.01% to 100%, such as 3%")
    return tolerance


def parse_alpha(text: str) -> float:
    """Parse a chance between 0 and 1/2."""
    try:
        alpha = float(text)
    except ValueError:
        alpha = math.nan
    if not 0.0 < alpha <= 0.5:
        raise argparse.ArgumentTypeError(f"{quote(text)}, expected a chance above 0, at most 0.5, such as 0.01")
    return alpha


def parse_duration_s(text: str) -> float:
    """Parse a duration with its unit to seconds."""
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)(s|m|h)", text.strip(), re.ASCII)
    seconds = float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]] if match else 0.0
    if not seconds:
        raise argparse.ArgumentTypeError(f"{quote(text)}, expected a duration with its unit: 90s, 5m, 1h")
    return seconds


def tolerance_of(item: pytest.Item, default: float) -> float:
    """
    Return how much slower a test may become: its nearest marker's, or the default.

    Raises:
        UsageError: If the marker cannot be understood.
    """
    marker = item.get_closest_marker("gate")
    if marker is None:
        return default
    if marker.args or set(marker.kwargs) != {"tolerance"}:
        raise UsageError(f"{item.nodeid}: its gate marker takes one keyword: @pytest.mark.gate(tolerance='10%')")
    try:
        return parse_tolerance(str(marker.kwargs["tolerance"]))
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"{item.nodeid}: its gate marker's tolerance is {error}") from None
