"""The result of a gate in a saved run."""

from runoff.gate.report import as_json
from runoff.gate.run.result import CaseVerdict, GateResult
from runoff.gate.statistics.decision import Finding, Verdict


def test_saved_verdict_has_the_keys_of_earlier_versions() -> None:
    """Programs that read saved runs would fail if a renamed attribute of the code renamed a key of the file."""
    finding = Finding(Verdict.OK, 0.001, -0.01, 0.01, 0.5, None, 0.0, 12)
    case_verdict = CaseVerdict("test_x.py::test_some", Verdict.OK, 0.03, "", finding, 1.1e-3, 1.0e-3)
    (saved,) = as_json(GateResult("main", "main", 0.01, (case_verdict,)), 0)["verdicts"]
    keys = {"case", "word", "tolerance", "reason", "candidate_s", "baseline_s", "second_stage", "finding"}
    assert keys == saved.keys()
    finding_keys = {"word", "change", "low", "high", "p", "smallest_visible", "null_change", "blocks"}
    assert finding_keys == saved["finding"].keys()
