"""The gate refuses unusable options before any benchmark runs."""

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from runoff.gate.options import parse_alpha, parse_duration_s, parse_tolerance
from tests.support.gated_suites import make_suite, run_gate


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a suite whose benchmark prints a line if it runs, so that tests can check that it did not run."""
    tests = "def test_some(benchmark):\n    print('it ran')\n    assert False"
    return make_suite(tmp_path_factory.mktemp("options") / "suite", tests)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--gate-tolerance=5%%"], "expected a percentage", id="two-percent-signs"),
        pytest.param(["--gate-against=--upload-pack=x"], "does not begin with a dash", id="revision-like-an-option"),
        pytest.param(["--gate-markdown=no/such/folder.md"], "expected a file in an existing folder", id="no-folder"),
        pytest.param(["--benchmark-disable"], "leaves nothing to compare", id="benchmarks-disabled"),
        pytest.param(["--benchmark-skip"], "leaves nothing to compare", id="benchmarks-skipped"),
        pytest.param(["--gate-against-models", "x.model"], "this suite has no option --model", id="no-model-option"),
    ],
)
def test_unusable_option_is_a_usage_error(suite: Path, arguments: list[str], message: str) -> None:
    """A mistyped option must be reported at once, with pytest's exit code 4, not after minutes of measuring."""
    against = [] if any(argument.startswith("--gate-against") for argument in arguments) else ["--gate-against=HEAD"]
    gated = run_gate(suite, *against, *arguments)
    assert 4 == gated.exit_code, gated.output
    assert message in gated.output
    assert "it ran" not in gated.output


def test_gate_option_without_baseline_is_a_usage_error(suite: Path) -> None:
    """If somebody deletes --gate-against from a CI job by mistake, the job must fail, not pass without comparing."""
    gated = run_gate(suite, "--gate-strict")
    assert 4 == gated.exit_code
    assert "--gate-strict: there is no baseline" in gated.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--gate-against=no-such-branch"], "no baseline", id="unknown-revision"),
        pytest.param(["--gate-against=HEAD", "--gate-alpha=1e-9"], "could never find", id="infeasible"),
        pytest.param(["--gate-against=HEAD", "-k", "nothing"], "nothing to compare", id="no-test-selected"),
    ],
)
def test_gate_that_compares_nothing_fails(suite: Path, arguments: list[str], message: str) -> None:
    """If the gate compared nothing, the exit code must be 11, because 0 would look like "no regression found"."""
    gated = run_gate(suite, *arguments)
    assert 11 == gated.exit_code, gated.output
    assert message in gated.output


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *((parse_tolerance, text) for text in ("5%%", "0%", "-3%", "nan%", "3", "%", "1e9%", "101%", "٣%", "")),
        *((parse_alpha, text) for text in ("0", "-1", "nan", "inf", "0.6", "1%", "")),
        *((parse_duration_s, text) for text in ("5", "0s", "-1m", "nans", "5 minutes", "1d", "")),
    ],
)
def test_malformed_value_is_refused(parse: Callable[[str], float], text: str) -> None:
    """A malformed value could silently disable the gate. For example, no slowdown exceeds a tolerance of NaN."""
    with pytest.raises(argparse.ArgumentTypeError, match="expected"):
        parse(text)


def test_values_are_converted_from_their_units() -> None:
    """If a unit were converted wrongly, a tolerance might be 100 times too small, or a budget 60 times too short."""
    assert (0.03, 0.005, 1.0) == (parse_tolerance("3%"), parse_tolerance("0.5 %"), parse_tolerance("100%"))
    assert (90.0, 300.0, 5400.0) == (parse_duration_s("90s"), parse_duration_s("5m"), parse_duration_s("1.5h"))
    assert 0.001 == parse_alpha("1e-3")
