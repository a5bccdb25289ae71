"""Saved runs are untrusted files, so every fault must be reported when the file is read."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runoff.errors import RecordError
from runoff.records import schema
from runoff.records.reader import read_run
from tests.support.saved_runs import plain_run

Run = dict[str, Any]


def _written(folder: Path, run: Run) -> Path:
    path = folder / "0001_run.json"
    path.write_text(json.dumps(run))
    return path


def test_record_survives_writing_and_reading(tmp_path: Path) -> None:
    """A field lost between saving and reading would be missing from comparisons, so reading must restore all fields."""
    (record,) = read_run(_written(tmp_path, plain_run(2e-3))).records
    assert (2e-3, "net") == (record.latency_s_per_batch, record.model)


def test_run_of_another_suite_is_read(tmp_path: Path) -> None:
    """Saved runs of other pytest-benchmark suites contain no runoff records, but reading them must not fail."""
    run = plain_run()
    del run["runoff"], run["benchmarks"][0]["extra_info"]["runoff"]
    read = read_run(_written(tmp_path, run))
    assert (None, []) == (read.runoff, read.records)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"<html>",
        b"[]",
        b"{}",
        b'"text"',
        b"[" * 100_000,
        b"\xff\xfe",
        json.dumps(plain_run()).encode()[:-40],
    ],
    ids=["empty", "brace", "html", "list", "no-fields", "string", "deep", "binary", "truncated"],
)
def test_file_that_is_not_a_run_is_rejected_with_its_name(tmp_path: Path, content: bytes) -> None:
    """If a truncated newest run were skipped silently, the user would unknowingly compare with an older run."""
    path = tmp_path / "0001_run.json"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"0001_run\.json"):
        read_run(path)


def _set_statistic(name: str, value: object) -> Callable[[Run], None]:
    def edit(run: Run) -> None:
        run["benchmarks"][0]["stats"][name] = value

    return edit


def _set_field(name: str, value: object) -> Callable[[Run], None]:
    def edit(run: Run) -> None:
        run["benchmarks"][0]["extra_info"]["runoff"][name] = value

    return edit


def _without(name: str) -> Callable[[Run], None]:
    def edit(run: Run) -> None:
        del run[name]

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(_set_statistic("mean", -1.0), id="negative-time"),
        pytest.param(_set_statistic("rounds", 0), id="zero-rounds"),
        pytest.param(_set_statistic("median", None), id="null"),
        pytest.param(_set_statistic("median", float("nan")), id="nan"),
        pytest.param(_set_statistic("ops", "fast"), id="string"),
        pytest.param(_set_field("latency_s_per_batch", 0.0), id="zero-latency"),
        pytest.param(_set_field("batch_size", 0), id="batch-size"),
        pytest.param(_set_field("facts", {"framework": ["nested"]}), id="nested-fact"),
        pytest.param(_without("machine_info"), id="no-machine-info"),
        pytest.param(_without("benchmarks"), id="no-benchmarks"),
    ],
)
def test_hand_edited_run_is_rejected(tmp_path: Path, edit: Callable[[Run], None]) -> None:
    """Tables divide by numbers from saved runs, so every number must be finite and within its valid range."""
    run = copy.deepcopy(plain_run())
    edit(run)
    with pytest.raises(RecordError, match="0001_run"):
        read_run(_written(tmp_path, run))


@pytest.mark.parametrize(
    "edit", [_set_field("schema", 99), lambda run: run["runoff"].update(schema=99)], ids=["case", "run"]
)
def test_newer_schema_is_rejected_with_advice(tmp_path: Path, edit: Callable[[Run], None]) -> None:
    """A newer schema may give the fields a different meaning, so an older runoff must not read it."""
    run = plain_run()
    edit(run)
    with pytest.raises(RecordError, match="schema 99, expected at most 1; read it with a newer runoff"):
        read_run(_written(tmp_path, run))


def test_unknown_field_of_this_schema_is_ignored(tmp_path: Path) -> None:
    """Later versions of runoff may add fields to a schema, so the reader must ignore unknown fields."""
    run = plain_run()
    _set_field("colour", "blue")(run)
    assert read_run(_written(tmp_path, run)).benchmarks


def test_link_is_rejected(tmp_path: Path) -> None:
    """A symbolic link in the results folder could point to any file on the machine, so links are not followed."""
    (tmp_path / "elsewhere.json").write_text(json.dumps(plain_run()))
    (tmp_path / "0001_run.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(RecordError, match="is a link"):
        read_run(tmp_path / "0001_run.json")


def test_docstring_describes_every_field() -> None:
    """The docstring of CaseRecord is the only documentation of the file format, so it must describe every field."""
    documented = schema.CaseRecord.__doc__ or ""
    assert [name for name in schema.CaseRecord.__struct_fields__ if f"        {name}: " not in documented] == []
