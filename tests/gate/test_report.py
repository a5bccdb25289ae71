"""How a gate's result is presented on the terminal, in Markdown, in JUnit files and in saved runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runoff.gate.baseline.side import Invocation
from runoff.gate.report import as_json, junit_properties, markdown_lines, terminal_lines
from runoff.gate.run.result import CaseVerdict
from runoff.gate.statistics.decision import Verdict
from tests.support.gate_results import case_verdict, gate_result

FOLDER = Path("/home/user/suite")
INVOCATION = Invocation(("--gate-against", "main"), (), FOLDER, FOLDER, FOLDER)


def test_table_has_times_change_and_tolerance() -> None:
    """The row of a case must contain all numbers behind its verdict, so that a reader can check the verdict."""
    text = "\n".join(terminal_lines(gate_result(case_verdict(Verdict.REGRESSION, 0.1)), INVOCATION))
    for part in ("1.00 ms → 1.10 ms", "+10.0% [+9.0%, ?]", " 3%", "regression"):
        assert part in text


def test_inconclusive_verdict_reports_the_smallest_visible_slowdown() -> None:
    """The smallest visible slowdown shows a reader of `inconclusive` how large a slowdown the noise may hide."""
    text = "\n".join(terminal_lines(gate_result(Verdict.INCONCLUSIVE), INVOCATION))
    assert "the smallest slowdown these blocks could have shown is +8.0%" in text


def test_slash_in_a_parameter_does_not_shorten_the_test_name() -> None:
    """The table shows test ids without folders, but a slash in a parameter does not end a folder's name."""
    odd = CaseVerdict("tests/perf/test_x.py::test_some[a/b::c/d]", Verdict.OK, 0.03)
    text = "\n".join(terminal_lines(gate_result(odd), INVOCATION))
    assert "\ntest_x.py::test_some[a/b::c/d] " in text


def test_repeating_command_is_safe_to_paste() -> None:
    """Test ids may contain brackets, spaces and shell metacharacters, so the printed command must quote test ids."""
    odd = CaseVerdict("test_x.py::test_some[a b; rm $x]", Verdict.OK, 0.03)
    text = "\n".join(terminal_lines(gate_result(odd), INVOCATION))
    assert " -m pytest 'test_x.py::test_some[a b; rm $x]' --gate-against main" in text


def test_repeating_command_works_where_it_is_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's shell may find another `python`, and the user may have called pytest in a subfolder of the suite."""
    python = tmp_path / "sub folder" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (tmp_path / "pytest.ini").touch()
    (tmp_path / "test_x.py").write_text("def test_some(): print('repeated')")
    monkeypatch.setattr(sys, "executable", str(python))
    invocation = Invocation(("-s", "../test_x.py"), ("../test_x.py",), tmp_path / "sub folder", tmp_path, tmp_path)
    [line] = [line for line in terminal_lines(gate_result(Verdict.OK), invocation) if line.startswith("to repeat")]
    command = line.partition(": ")[2]
    assert command == ".venv/bin/python -m pytest ../test_x.py::test_some -s"
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd=invocation.folder, env=environment, capture_output=True, text=True, check=False
    )
    assert "repeated" in done.stdout, done.stderr


def test_markdown_cannot_be_broken_by_a_test_id() -> None:
    """An unescaped vertical bar in a test id would end its table cell, so it must be escaped."""
    odd = CaseVerdict("test_x.py::test_some[a|b*c*]", Verdict.NEW, 0.03, "is not there")
    lines = markdown_lines(gate_result(odd), INVOCATION)
    (row,) = [line for line in lines if line.startswith("|") and "new" in line]
    assert 6 == row.replace("\\|", "").count("|")


def test_saved_result_is_strict_json() -> None:
    """Infinity is not valid JSON, so a saved run must not contain it: strict parsers would reject the whole file."""
    text = json.dumps(as_json(gate_result(*Verdict), 10), allow_nan=False)
    assert {str(verdict) for verdict in Verdict} == {each["word"] for each in json.loads(text)["verdicts"]}


def test_saved_verdict_has_the_keys_of_earlier_versions() -> None:
    """If renaming an attribute in the code also renamed a key in the file, programs that read saved runs would fail."""
    (saved,) = as_json(gate_result(Verdict.OK), 0)["verdicts"]
    keys = {"case", "word", "tolerance", "reason", "candidate_s", "baseline_s", "second_stage", "finding"}
    assert keys == saved.keys()
    finding_keys = {"word", "change", "low", "high", "p", "smallest_visible", "null_change", "blocks"}
    assert finding_keys == saved["finding"].keys()


def test_junit_properties_carry_the_numbers() -> None:
    """JUnit files cannot contain a table, so each number of a verdict must be a property of its test."""
    found = dict(junit_properties(case_verdict(Verdict.REGRESSION, 0.1)))
    assert ("regression", 0.1, 1.0e-3) == (found["gate_verdict"], found["gate_change"], found["gate_baseline_s"])
