"""Options that cannot be used, refused before anything runs."""

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from runoff.gate.options import parse_alpha, parse_duration_s, parse_tolerance
from tests.support.gated_suites import gate, make_suite


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite whose benchmark must never run here."""
    tests = "def test_some(benchmark):\n    print('it ran')\n    assert False"
    return make_suite(tmp_path_factory.mktemp("options") / "suite", tests)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        pytest.param(["--gate-tolerance=5%%"], "expected a percentage", id="tolerance-twice-per-cent"),
        pytest.param(["--gate-against=--upload-pack=x"], "does not begin with a dash", id="revision-like-an-option"),
        pytest.param(["--gate-markdown=no/such/folder.md"], "not a file that can be written", id="markdown-nowhere"),
        pytest.param(["--benchmark-disable"], "leaves nothing to compare", id="benchmarks-disabled"),
        pytest.param(["--benchmark-skip"], "leaves nothing to compare", id="benchmarks-skipped"),
        pytest.param(["--gate-against-models", "x.model"], "no option --model|this one has none", id="no-models"),
    ],
)
def test_option_that_cannot_be_used_is_a_usage_error(suite: Path, words: list[str], complaint: str) -> None:
    """Exit code 4, and nothing has run."""
    against = [] if any(word.startswith("--gate-against") for word in words) else ["--gate-against=HEAD"]
    done = gate(suite, *against, *words)
    assert 4 == done.code, done.output
    assert any(each in done.output for each in complaint.split("|")), done.output
    assert "it ran" not in done.output


def test_option_without_a_baseline_is_a_usage_error(suite: Path) -> None:
    """A typo in a pipeline must not make the gate vanish."""
    assert 4 == gate(suite, "--gate-strict").code


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        pytest.param(["--gate-against=no-such-branch"], "no baseline", id="unknown-revision"),
        pytest.param(["--gate-against=HEAD", "--gate-alpha=1e-9"], "could never find", id="infeasible"),
        pytest.param(["--gate-against=HEAD", "-k", "nothing"], "nothing to compare", id="nothing-chosen"),
    ],
)
def test_gate_that_could_compare_nothing_is_no_success(suite: Path, words: list[str], complaint: str) -> None:
    """Exit code 11, said in words."""
    done = gate(suite, *words)
    assert 11 == done.code, done.output
    assert complaint in done.output


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *((parse_tolerance, text) for text in ("5%%", "0%", "-3%", "nan%", "3", "%", "1e9%", "101%", "٣%", "")),
        *((parse_alpha, text) for text in ("0", "-1", "nan", "inf", "0.6", "1%", "")),
        *((parse_duration_s, text) for text in ("5", "0s", "-1m", "nans", "5 minutes", "1d", "")),
    ],
)
def test_value_that_makes_no_sense_is_refused(parse: Callable[[str], float], text: str) -> None:
    """A gate with a tolerance of NaN never fires."""
    with pytest.raises(argparse.ArgumentTypeError, match="expected"):
        parse(text)


def test_values_are_read_in_their_units() -> None:
    """A per cent is a hundredth, a minute sixty seconds."""
    assert (0.03, 0.005, 1.0) == (parse_tolerance("3%"), parse_tolerance("0.5 %"), parse_tolerance("100%"))
    assert (90.0, 300.0, 5400.0) == (parse_duration_s("90s"), parse_duration_s("5m"), parse_duration_s("1.5h"))
    assert 0.001 == parse_alpha("1e-3")
