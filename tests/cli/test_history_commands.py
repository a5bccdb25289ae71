"""`runoff history` and `runoff compare` on folders of saved runs."""

import json
from pathlib import Path

import pytest

from runoff.cli.main import main
from tests.support.saved_runs import plain_run, store_in, write_file


def _fill(folder: Path, latencies_s: list[float]) -> None:
    store = store_in(folder)
    for number, latency_s in enumerate(latencies_s, start=1):
        write_file(store, f"{number:04}_run.json", plain_run(latency_s))


def test_history_shows_the_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From which run on, and by how much."""
    _fill(tmp_path, [1e-3] * 10 + [1.5e-3] * 10)
    assert main(["history", "--storage", str(tmp_path)]) == 0
    assert "+50% since 0011 of 2026-01-01" in capsys.readouterr().out


def test_history_gate_fires_on_a_slower_level(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 10, as every regression of ours."""
    _fill(tmp_path, [1e-3] * 10 + [1.5e-3] * 10)
    assert main(["history", "--gate", "--storage", str(tmp_path)]) == 10
    assert "slower: onnxruntime-cpu-net-b1 +50%" in capsys.readouterr().out


@pytest.mark.parametrize("latencies_s", [[1e-3] * 20, [1.5e-3] * 10 + [1e-3] * 10], ids=["steady", "faster"])
def test_history_gate_is_green_otherwise(tmp_path: Path, latencies_s: list[float]) -> None:
    """Steady or faster."""
    _fill(tmp_path, latencies_s)
    assert main(["history", "--gate", "--storage", str(tmp_path)]) == 0


def test_history_gate_with_few_runs_says_that_it_cannot_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A gate that could not fire must not be green."""
    _fill(tmp_path, [1e-3] * 19)
    assert main(["history", "--gate", "--storage", str(tmp_path)]) == 11
    assert "too few runs" in capsys.readouterr().out


def test_history_counts_what_it_skips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Broken files are said, not hidden."""
    _fill(tmp_path, [1e-3] * 2)
    for number in range(10, 17):
        write_file(store_in(tmp_path), f"00{number}_bad.json", b"{")
    assert main(["history", "--storage", str(tmp_path)]) == 0
    assert "skipped 7 files" in capsys.readouterr().out


def test_compare_shows_the_change_with_its_interval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By number, as one types it."""
    _fill(tmp_path, [1e-3, 1.1e-3])
    assert main(["compare", "1", "2", "--storage", str(tmp_path)]) == 0
    assert "+10.0% [+10.0%, +10.0%]" in capsys.readouterr().out


def test_compare_says_what_makes_runs_unlike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another machine, an incomplete run, a retrained model: said, not compared over."""
    run = plain_run()
    run["runoff"] |= {"processor": "another", "complete": False, "incomplete_because": "interrupted"}
    run["benchmarks"][0]["extra_info"]["runoff"]["model_digest"] = "e" * 64
    _fill(tmp_path, [1e-3])
    path = write_file(store_in(tmp_path), "0002_run.json", json.dumps(run).encode())
    assert main(["compare", "1", str(path), "--storage", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "another processor" in said
    assert "candidate is incomplete: interrupted" in said
    assert "settings changed: onnxruntime-cpu-net-b1" in said


@pytest.mark.parametrize(
    "words", [["compare", "1", "9"], ["compare", "1", "no"], ["history", "--last", "-1"]], ids=lambda words: words[-1]
)
def test_name_of_no_run_is_a_usage_error(tmp_path: Path, words: list[str]) -> None:
    """Exit code 2 with what was found."""
    _fill(tmp_path, [1e-3])
    assert main([*words, "--storage", str(tmp_path)]) == 2


def test_missing_folder_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the option that names another."""
    assert main(["history", "--storage", str(tmp_path / "nowhere")]) == 2
    assert "--storage" in capsys.readouterr().err
