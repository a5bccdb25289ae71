"""
A foreign pytest-benchmark suite, gated for real: children, rounds by turns, verdicts, exit codes.

What happens to cases of one run does not depend on each other, so two runs serve most of these tests.
"""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.gated_suites import FEWEST, QUICK, Gated, gate, git, make_suite, write_tests

BASELINE = """
def test_slower(benchmark): assert benchmark(work, 500) == 124750
def test_faster(benchmark): benchmark(work, 2000)
def test_same(benchmark): benchmark.pedantic(work, args=(500,), rounds=3, iterations=7)
def test_with_setup(benchmark): benchmark.pedantic(work, setup=lambda: ((500,), {}), rounds=3)
def test_old_name(benchmark): benchmark(work, 500)
def test_broken_before(benchmark): raise ValueError("broken in the baseline")
@pytest.mark.skip(reason="nowhere")
def test_skipped(benchmark): benchmark(work, 500)
@pytest.mark.gate(tolerance="100%")
def test_tolerated(benchmark): benchmark(work, 1000)
def test_contaminated(benchmark):
    # The second copy of the baseline is slower for no reason.
    copy = sys.modules["runoff_gate_worker"].SETTINGS["side"] == 2
    benchmark(work, 2000 if copy else 500)
def test_never_measures(benchmark): pass
"""
CANDIDATE = (
    BASELINE.replace(
        "test_slower(benchmark): assert benchmark(work, 500) == 124750", "test_slower(benchmark): benchmark(work, 2000)"
    )
    .replace("test_faster(benchmark): benchmark(work, 2000)", "test_faster(benchmark): benchmark(work, 500)")
    .replace("test_old_name", "test_new_name")
    .replace('raise ValueError("broken in the baseline")', "benchmark(work, 500)")
    .replace("benchmark(work, 1000)", "benchmark(work, 1250)")
)


# Says how each pytest that runs the suite ends.
CONFTEST = """
import os, pathlib, pytest

def say(word):
    with pathlib.Path(os.environ["SUITE_LOG"]).open("a") as file:
        file.write(word + "\\n")

@pytest.fixture(scope="session", autouse=True)
def server():
    yield
    say("closed")

def pytest_terminal_summary():
    say("summary")
"""


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Gated:
    """A candidate that was never committed, against its last commit."""
    folder = make_suite(tmp_path_factory.mktemp("mixed") / "suite", BASELINE)
    write_tests(folder, CANDIDATE)
    return gate(folder, "--gate-against", "HEAD", "-ra", "--benchmark-json=out.json", "--junitxml=out.xml")


@pytest.fixture(scope="module")
def same(tmp_path_factory: pytest.TempPathFactory) -> Gated:
    """A tree against itself, beside an ordinary test; some of what could go wrong stands in its path."""
    tests = BASELINE.partition("def test_broken_before")[0] + "def test_ordinary(): pass\n"
    folder = make_suite(tmp_path_factory.mktemp("it's the same") / "suite", tests)
    (folder / "conftest.py").write_text(CONFTEST)
    words = ("--gate-against", str(folder), "--gate-markdown=out.md", "--benchmark-json=out.json")
    variables = {"GITHUB_STEP_SUMMARY": str(folder.parent / "summary.md"), "SUITE_LOG": str(folder / "said.log")}
    return gate(folder, *words, variables=variables)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("test_slower", "regression"),
        ("test_faster", "improvement"),
        ("test_same", "ok"),
        ("test_with_setup", "ok"),
        ("test_tolerated", "ok"),
        ("test_new_name", "new"),
        ("test_old_name", "missing"),
        ("test_broken_before", "invalid"),
        ("test_contaminated", "invalid"),
    ],
)
def test_each_case_gets_its_verdict(mixed: Gated, case: str, expected: str) -> None:
    """Each word of the vocabulary, from the real cause of it."""
    assert expected == mixed.words.get(case), mixed.output


def test_regression_has_an_exit_code_of_its_own(mixed: Gated) -> None:
    """CI must tell slow from broken."""
    assert mixed.code == 10, mixed.output


def test_worst_case_stands_first_and_can_be_repeated(mixed: Gated) -> None:
    """The reader's next step is one copied line."""
    assert "test_slower" == next(iter(mixed.words))
    assert re.search(r"to repeat one case: .*pytest test_suite.py::test_slower .*--gate-against HEAD", mixed.output)


def test_case_skipped_everywhere_is_counted_and_skipped(mixed: Gated) -> None:
    """Nothing is passed over in silence."""
    assert not {"test_skipped", "test_never_measures"} & set(mixed.words)
    assert "2 skipped on both sides" in mixed.output
    assert "the candidate's test never called its benchmark" in mixed.output


def test_reason_of_an_invalid_case_is_said(mixed: Gated) -> None:
    """`invalid` alone would send the reader to a debugger."""
    assert "ValueError: broken in the baseline" in mixed.output
    assert "the baseline differs from itself by" in mixed.output


def test_verdicts_are_in_the_saved_run(mixed: Gated) -> None:
    """For whoever reads JSON; marked so that nobody takes it for a baseline."""
    gate_record = mixed.saved["gate"]
    assert {"test_suite.py::test_slower": "regression"}.items() <= {
        verdict["case"]: verdict["word"] for verdict in gate_record["verdicts"]
    }.items()
    assert "1 case regressed against HEAD" == gate_record["never_a_baseline_because"]


def test_verdicts_are_in_junit(mixed: Gated) -> None:
    """For CI systems that know no Markdown."""
    root = ElementTree.parse(mixed.folder / "out.xml").getroot()  # noqa: S314 - written a moment ago
    (case,) = root.iterfind(".//testcase[@name='test_slower']")
    properties = {each.get("name"): each.get("value") for each in case.iterfind("./properties/property")}
    assert "regression" == properties["gate_verdict"]
    assert float(properties["gate_change"] or 0) > 0.6


def test_nothing_is_left_in_the_repository(mixed: Gated) -> None:
    """The user's checkout is the user's."""
    assert not (mixed.folder / ".git" / "worktrees").exists()
    assert [] == list((mixed.folder.parent / "cache" / "gate" / "trees").iterdir())


def test_same_tree_passes(same: Gated) -> None:
    """Green means green."""
    assert 0 == same.code, same.output
    assert {"ok"} == set(same.words.values())


def test_ordinary_tests_run_as_ever(same: Gated) -> None:
    """The gate is an addition to a test run."""
    assert "6 passed" in same.output


def test_benchmarks_are_saved_with_the_candidates_rounds(same: Gated) -> None:
    """Tables and histories go on working."""
    assert 5 == len(same.saved["benchmarks"])
    assert all(benchmark["stats"]["rounds"] >= 6 for benchmark in same.saved["benchmarks"])


def test_children_close_what_they_opened_and_say_nothing(same: Gated) -> None:
    """A server of the suite's is its own to end; summaries that nobody reads take plugins a second per block."""
    said = (same.folder / "said.log").read_text().split()
    blocks = len(re.findall(r"look, block \d+ of \d+: ", same.output))
    # One more of each: the run that the user sees has an ordinary test.
    assert (3 * blocks + 1, 1) == (said.count("closed"), said.count("summary"))


def test_plan_is_said_before_and_progress_meanwhile(same: Gated) -> None:
    """In a log, as plain lines."""
    positions = [
        same.output.index(text) for text in ("plan: 5 cases, 5 blocks", "block 1 of 5", "block 5 of 5", "= gate =")
    ]
    assert sorted(positions) == positions
    assert "\r" not in same.output


def test_markdown_goes_to_the_file_and_to_the_ci_summary(same: Gated) -> None:
    """GitHub shows the latter on the run's page."""
    text = (same.folder / "out.md").read_text(encoding="utf-8")
    assert "| ok " in text
    assert text == (same.folder.parent / "summary.md").read_text(encoding="utf-8")


def test_failing_candidate_is_a_failed_test(tmp_path: Path) -> None:
    """Broken is not slow: pytest's own exit code."""
    folder = make_suite(tmp_path / "suite", "def test_some(benchmark): assert benchmark(work, 500) >= 0")
    write_tests(folder, "def test_some(benchmark): assert benchmark(work, 500) < 0, 'wrong answer'")
    done = gate(folder, "--gate-against", "HEAD")
    assert 1 == done.code, done.output
    assert "wrong answer" in done.output


def test_no_benchmark_in_common_is_no_success(tmp_path: Path) -> None:
    """A renamed file once kept a gate green for months."""
    folder = make_suite(tmp_path / "suite", "def test_old(benchmark): benchmark(work, 500)")
    write_tests(folder, "def test_new(benchmark): benchmark(work, 500)")
    done = gate(folder, "--gate-against", "HEAD")
    assert 11 == done.code, done.output
    assert {"test_old": "missing", "test_new": "new"} == done.words


def test_baseline_that_does_not_even_collect_is_no_success(tmp_path: Path) -> None:
    """Its last words are what the reader needs."""
    folder = make_suite(tmp_path / "suite", "raise RuntimeError('cannot be imported')")
    write_tests(folder, "def test_some(benchmark): benchmark(work, 500)")
    done = gate(folder, "--gate-against", "HEAD")
    assert 11 == done.code, done.output
    assert "cannot be imported" in done.output


def test_children_that_die_or_hang_do_not_hold_the_gate(tmp_path: Path) -> None:
    """Each costs its own case, with the reason; the rest is judged."""
    tests = """
IN_BASELINE = "trees" in os.getcwd()
def after(calls, what):
    numbers = iter(range(10**9))
    return lambda: what() if IN_BASELINE and next(numbers) > calls else work(100)
def test_dies(benchmark): benchmark(after(20, lambda: os._exit(3)))
def test_hangs_before(benchmark): benchmark(after(-1, lambda: time.sleep(600)))
def test_hangs_meanwhile(benchmark): benchmark(after(20, lambda: time.sleep(600)))
"""
    folder = make_suite(tmp_path / "suite", tests)
    done = gate(folder, "--gate-against", "HEAD", tuning={**QUICK, "set_up_s": 3, "round_s": 2})
    assert 11 == done.code, done.output
    assert dict.fromkeys(("test_dies", "test_hangs_before", "test_hangs_meanwhile"), "invalid") == done.words
    assert "ended with exit code 3" in done.output
    assert "the baseline said nothing for 3 s" in done.output
    assert "the baseline said nothing for 2 s" in done.output


def test_inconclusive_fails_where_that_is_asked_for(tmp_path: Path) -> None:
    """Two blocks can show nothing below infinity."""
    folder = make_suite(tmp_path / "suite", "def test_some(benchmark): benchmark(work, 500)")
    done = gate(folder, "--gate-against", ".", "--gate-strict", tuning=FEWEST)
    assert 12 == done.code, done.output
    assert {"test_some": "inconclusive"} == done.words


def test_revision_is_chosen_by_its_files_not_by_what_is_installed(tmp_path: Path) -> None:
    """A package beside the tests is imported from the revision, also when it lies in src."""
    tests = "from thing import count\ndef test_some(benchmark): benchmark(work, count)"
    folder = make_suite(tmp_path / "suite", tests)
    (folder / "src").mkdir()
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = src\nrunoff_save = true\n")
    (folder / "src" / "thing.py").write_text("count = 500\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=thing")
    (folder / "src" / "thing.py").write_text("count = 2000\n")
    done = gate(folder, "--gate-against", "main", "--benchmark-json=out.json", tuning=FEWEST)
    assert 10 == done.code, done.output
    # The suite asked for its runs to be saved: this one is kept, and is no baseline.
    assert "1 case regressed against main" == done.saved["runoff"]["incomplete_because"]


def test_other_models_are_compared_by_name(tmp_path: Path) -> None:
    """A new model rather than new code: the same test, another file."""
    tests = """
def test_some(benchmark, pytestconfig):
    benchmark(work, int(open(pytestconfig.option.model[0]).read()))
"""
    folder = make_suite(tmp_path / "suite", tests)
    (folder / "conftest.py").write_text("def pytest_addoption(parser): parser.addoption('--model', nargs='+')\n")
    (folder / "old.model").write_text("500")
    (folder / "new.model").write_text("2000")
    done = gate(folder, "--model", "new.model", "--gate-against-models", "old.model", tuning=FEWEST)
    assert 10 == done.code, done.output


def test_budget_that_allows_no_verdict_is_refused_after_the_first_block(tmp_path: Path) -> None:
    """Measuring for nothing is worse than saying so at once."""
    folder = make_suite(tmp_path / "suite", "def test_some(benchmark): benchmark(work, 500)")
    done = gate(folder, "--gate-against", "HEAD", "--gate-budget=1s")
    assert 11 == done.code, done.output
    assert "--gate-budget 1s leaves no room" in done.output
    assert "block 2 of 5" not in done.output
