"""Tests of `runoff history` and `runoff compare`, which report changes between saved runs."""

import json
from pathlib import Path

import pytest

from runoff.cli.main import main
from tests.support.saved_runs import plain_run, store_in, write_file


def _fill(folder: Path, latencies_s: list[float]) -> None:
    """Save one run for each given latency in a folder, and number the runs from 1."""
    store = store_in(folder)
    for number, latency_s in enumerate(latencies_s, start=1):
        write_file(store, f"{number:04}_run.json", plain_run(latency_s))


def test_history_shows_a_change_with_its_first_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The history must name the first run with a changed latency, so that users can find the responsible commit."""
    _fill(tmp_path, [1e-3] * 10 + [1.5e-3] * 10)
    assert main(["history", "--storage", str(tmp_path)]) == 0
    assert "+50% since 0011 of 2026-01-01" in capsys.readouterr().out


def test_history_gate_fails_if_a_case_became_slower(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`runoff history --gate` must report a regression with exit code 10, like the side-by-side gate."""
    _fill(tmp_path, [1e-3] * 10 + [1.5e-3] * 10)
    assert main(["history", "--gate", "--storage", str(tmp_path)]) == 10
    assert "slower: onnxruntime-cpu-net-b1 +50%" in capsys.readouterr().out


@pytest.mark.parametrize("latencies_s", [[1e-3] * 20, [1.5e-3] * 10 + [1e-3] * 10], ids=["steady", "faster"])
def test_history_gate_passes_if_no_case_became_slower(tmp_path: Path, latencies_s: list[float]) -> None:
    """Users would soon switch off a gate that failed although no latency had increased."""
    _fill(tmp_path, latencies_s)
    assert main(["history", "--gate", "--storage", str(tmp_path)]) == 0


def test_history_gate_with_too_few_runs_is_inconclusive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With too few runs the gate cannot detect a regression yet, so it must not report success."""
    _fill(tmp_path, [1e-3] * 19)
    assert main(["history", "--gate", "--storage", str(tmp_path)]) == 11
    assert "too few runs" in capsys.readouterr().out


def test_history_counts_skipped_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Broken files are skipped, which makes the history incomplete, so the user must see how many were skipped."""
    _fill(tmp_path, [1e-3] * 2)
    for number in range(10, 17):
        write_file(store_in(tmp_path), f"00{number}_bad.json", b"{")
    assert main(["history", "--storage", str(tmp_path)]) == 0
    assert "skipped 7 files" in capsys.readouterr().out


def test_compare_shows_the_change_with_its_interval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Users refer to saved runs by number."""
    _fill(tmp_path, [1e-3, 1.1e-3])
    assert main(["compare", "1", "2", "--storage", str(tmp_path)]) == 0
    assert "+10.0% [+10.0%, +10.0%]" in capsys.readouterr().out


def test_compare_reports_differences_between_the_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A new machine, an incomplete run or a retrained model may explain a changed latency, so each is reported."""
    run = plain_run()
    run["runoff"] |= {"processor": "another", "complete": False, "incomplete_because": "interrupted"}
    run["benchmarks"][0]["extra_info"]["runoff"]["model_digest"] = "e" * 64
    _fill(tmp_path, [1e-3])
    path = write_file(store_in(tmp_path), "0002_run.json", json.dumps(run).encode())
    assert main(["compare", "1", str(path), "--storage", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "different processor" in shown
    assert "candidate is incomplete: interrupted" in shown
    assert "versions or settings differ: onnxruntime-cpu-net-b1" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["compare", "1", "9"], id="unknown-number"),
        pytest.param(["compare", "1", "no"], id="unknown-name"),
        pytest.param(["history", "--last", "-1"], id="negative-last"),
    ],
)
def test_invalid_argument_is_a_usage_error(tmp_path: Path, arguments: list[str]) -> None:
    """A mistyped argument must give exit code 2, so that scripts can distinguish it from a failure (exit code 1)."""
    _fill(tmp_path, [1e-3])
    assert main([*arguments, "--storage", str(tmp_path)]) == 2


def test_missing_folder_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If the storage folder does not exist, the error message must name the option that selects a different folder."""
    assert main(["history", "--storage", str(tmp_path / "nowhere")]) == 2
    assert "--storage" in capsys.readouterr().err
