"""
End-to-end runs of the gate on a small benchmark suite: verdicts, reports and exit codes.

The cases of a run do not influence each other, so most tests can share two gated runs.
"""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.gated_suites import ONE_AND_ONE_BLOCK, GatedRun, commit, make_suite, run_gate, write_tests

BASELINE = """
def test_slower(benchmark): assert benchmark(work, 500) == 500
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
    # The second copy of the baseline is slower than the first without a reason.
    is_second_copy = sys.modules["runoff_gate_worker"].SETTINGS["side"] == 2
    benchmark(work, 2000 if is_second_copy else 500)
def test_never_measures(benchmark): pass
"""
CANDIDATE = (
    BASELINE.replace(
        "test_slower(benchmark): assert benchmark(work, 500) == 500", "test_slower(benchmark): benchmark(work, 600)"
    )
    .replace("test_faster(benchmark): benchmark(work, 2000)", "test_faster(benchmark): benchmark(work, 500)")
    .replace("test_old_name", "test_new_name")
    .replace('raise ValueError("broken in the baseline")', "benchmark(work, 500)")
    .replace("benchmark(work, 1000)", "benchmark(work, 1250)")
)


# A conftest.py that logs when a pytest process closes its fixtures and when it prints its summary.
CONFTEST = """
import os, pathlib, pytest

def log(event):
    with pathlib.Path(os.environ["SUITE_LOG"]).open("a") as file:
        file.write(event + "\\n")

@pytest.fixture(scope="session", autouse=True)
def server():
    yield
    log("closed")

def pytest_terminal_summary():
    log("summary")
"""


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> GatedRun:
    """Run the gate on a suite with many kinds of uncommitted changes; the baseline is the last commit."""
    folder = make_suite(tmp_path_factory.mktemp("changed") / "suite", BASELINE)
    write_tests(folder, CANDIDATE)
    return run_gate(folder, "--gate-against", "HEAD", "-ra", "--benchmark-json=out.json", "--junitxml=out.xml")


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> GatedRun:
    """Run the gate on an unchanged suite that also contains an ordinary test. The suite's path needs shell quoting."""
    tests = BASELINE.partition("def test_broken_before")[0] + "def test_ordinary(): pass\n"
    folder = make_suite(tmp_path_factory.mktemp("it's the same") / "suite", tests)
    (folder / "conftest.py").write_text(CONFTEST)
    options = ("--gate-against", str(folder), "--gate-markdown=out.md", "--benchmark-json=out.json")
    variables = {"GITHUB_STEP_SUMMARY": str(folder.parent / "summary.md"), "SUITE_LOG": str(folder / "suite.log")}
    return run_gate(folder, *options, variables=variables)


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
def test_each_case_gets_its_verdict(changed: GatedRun, case: str, expected: str) -> None:
    """Benchmarks that became slower or faster or were renamed must each get the right verdict."""
    assert expected == changed.verdicts.get(case), changed.output


def test_regression_has_an_exit_code_of_its_own(changed: GatedRun) -> None:
    """CI must be able to distinguish slow code from failing tests."""
    assert 10 == changed.exit_code, changed.output


def test_worst_case_stands_first_and_can_be_repeated(changed: GatedRun) -> None:
    """The user's next step is to repeat the worst case, so the report must contain a command to copy."""
    assert "test_slower" == next(iter(changed.verdicts))
    assert re.search(r"to repeat one case: .*pytest test_suite.py::test_slower .*--gate-against HEAD", changed.output)


def test_case_skipped_everywhere_is_counted_and_skipped(changed: GatedRun) -> None:
    """If the report omitted skipped cases silently, readers would assume that these cases had been compared."""
    assert not {"test_skipped", "test_never_measures"} & set(changed.verdicts)
    assert "2 skipped on both sides" in changed.output
    assert "the candidate's test never called its benchmark" in changed.output


def test_report_gives_the_reason_of_an_invalid_case(changed: GatedRun) -> None:
    """Without the reason, a user who reads `invalid` would have to search for the cause with a debugger."""
    assert "ValueError: broken in the baseline" in changed.output
    assert "two copies of the baseline differ by" in changed.output


def test_verdicts_are_in_the_saved_run(changed: GatedRun) -> None:
    """Programs read the verdicts from the saved JSON, and must not use a run with a regression as a baseline."""
    gate_record = changed.saved["gate"]
    assert {"test_suite.py::test_slower": "regression"}.items() <= {
        verdict["case"]: verdict["word"] for verdict in gate_record["verdicts"]
    }.items()
    assert "1 case regressed against HEAD" == gate_record["never_a_baseline_because"]


def test_verdicts_are_in_junit(changed: GatedRun) -> None:
    """Many CI systems display JUnit files but not Markdown, so the JUnit file must contain the verdicts too."""
    root = ElementTree.parse(changed.folder / "out.xml").getroot()  # noqa: S314 - written by this test
    (case,) = root.iterfind(".//testcase[@name='test_slower']")
    properties = {each.get("name"): each.get("value") for each in case.iterfind("./properties/property")}
    assert "regression" == properties["gate_verdict"]
    assert pytest.approx(0.2) == float(properties["gate_change"] or 0)


def test_nothing_is_left_in_the_repository(changed: GatedRun) -> None:
    """The gate must remove its worktree, or the worktree would appear in the user's `git worktree list`."""
    assert not (changed.folder / ".git" / "worktrees").exists()
    assert [] == list((changed.folder.parent / "cache" / "gate" / "trees").iterdir())


def test_same_tree_passes(unchanged: GatedRun) -> None:
    """Users would soon switch off a gate that fails although nothing has changed."""
    assert 0 == unchanged.exit_code, unchanged.output
    assert {"ok"} == set(unchanged.verdicts.values())


def test_ordinary_tests_run_as_without_the_gate(unchanged: GatedRun) -> None:
    """Users add the gate's options to their normal test command, so ordinary tests must still run."""
    assert "6 passed" in unchanged.output


def test_benchmarks_are_saved_with_the_candidates_rounds(unchanged: GatedRun) -> None:
    """Tables and histories must work for gated runs too, so a gated run must save the same data as any other run."""
    assert 5 == len(unchanged.saved["benchmarks"])
    assert [6] * 5 == [benchmark["stats"]["rounds"] for benchmark in unchanged.saved["benchmarks"]]


def test_workers_close_fixtures_and_print_no_summary(unchanged: GatedRun) -> None:
    """Workers must close fixtures, so that no server is left running. They print no summary, which would cost time."""
    events = (unchanged.folder / "suite.log").read_text().split()
    blocks = len(re.findall(r"stage, block \d+ of \d+: ", unchanged.output))
    # Each worker closes its fixtures, and so does the user's own pytest process, which alone prints a summary.
    assert (3 * blocks + 1, 1) == (events.count("closed"), events.count("summary"))


def test_plan_is_printed_before_the_blocks(unchanged: GatedRun) -> None:
    """A CI log cannot show a progress bar, so the gate must print its plan and progress as plain lines."""
    expected = ["plan: 5 cases, 5 blocks", "block 1 of 5", "block 5 of 5", "= gate ="]
    positions = [unchanged.output.index(text) for text in expected]
    assert sorted(positions) == positions
    assert "\r" not in unchanged.output


def test_markdown_goes_to_the_file_and_to_the_ci_summary(unchanged: GatedRun) -> None:
    """GitHub displays the summary file on the page of the CI run, so it must contain the gate's report."""
    text = (unchanged.folder / "out.md").read_text(encoding="utf-8")
    assert "| ok " in text
    assert text == (unchanged.folder.parent / "summary.md").read_text(encoding="utf-8")


def test_strict_gate_fails_if_a_verdict_is_inconclusive(tmp_path: Path) -> None:
    """A single block cannot prove that there is no slowdown, so the verdict is inconclusive and a strict gate fails."""
    folder = make_suite(tmp_path / "suite", "def test_some(benchmark): benchmark(work, 500)")
    # This run loads all installed pytest plugins, as a user's run does. The other tests skip them to start faster.
    variables = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": ""}
    run = run_gate(folder, "--gate-against", ".", "--gate-strict", tuning=ONE_AND_ONE_BLOCK, variables=variables)
    assert 12 == run.exit_code, run.output
    assert {"test_some": "inconclusive"} == run.verdicts


def test_each_side_imports_the_package_of_its_own_checkout(tmp_path: Path) -> None:
    """If the baseline imported the candidate's package, the gate would compare the candidate with itself."""
    tests = "from thing import count\ndef test_some(benchmark): benchmark(work, count)"
    folder = make_suite(tmp_path / "suite", tests)
    (folder / "src").mkdir()
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = src\nrunoff_save = true\n")
    (folder / "src" / "thing.py").write_text("count = 500\n")
    commit(folder)
    (folder / "src" / "thing.py").write_text("count = 1000\n")
    run = run_gate(folder, "--gate-against", "main", "--benchmark-json=out.json", tuning=ONE_AND_ONE_BLOCK)
    assert 10 == run.exit_code, run.output
    # The suite's ini file makes pytest save every run. This run has a regression, so it must not become a baseline.
    assert "1 case regressed against main" == run.saved["runoff"]["incomplete_because"]


def test_gate_saves_one_run_and_its_workers_none(tmp_path: Path) -> None:
    """If the gate's workers saved runs too, the history would fill with runs that no user started."""
    folder = make_suite(tmp_path / "suite", "def test_some(benchmark): benchmark(work, 500)\n")
    (folder / "pytest.ini").write_text("[pytest]\nrunoff_save = true\n")
    commit(folder)
    assert run_gate(folder, "--gate-against=HEAD", "--gate-only", tuning=ONE_AND_ONE_BLOCK).exit_code == 0
    assert 1 == len(list((folder / ".benchmarks").rglob("*.json")))


def test_other_models_are_compared_by_name(tmp_path: Path) -> None:
    """Users must be able to compare two models while the code is the same on both sides."""
    tests = """
def test_some(benchmark, pytestconfig):
    benchmark(work, int(open(pytestconfig.option.model[0]).read()))
"""
    folder = make_suite(tmp_path / "suite", tests)
    (folder / "conftest.py").write_text("def pytest_addoption(parser): parser.addoption('--model', nargs='+')\n")
    (folder / "old.model").write_text("500")
    (folder / "new.model").write_text("1000")
    run = run_gate(folder, "--model", "new.model", "--gate-against-models", "old.model", tuning=ONE_AND_ONE_BLOCK)
    assert 10 == run.exit_code, run.output
