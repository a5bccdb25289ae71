"""Saved runs are untrusted: whatever is wrong with one is found when it is read, and said."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runoff.errors import RecordError
from runoff.records import schema
from runoff.records.saved import read_run
from tests.support.saved_runs import plain_run

Run = dict[str, Any]


def _written(folder: Path, run: Run) -> Path:
    path = folder / "0001_run.json"
    path.write_text(json.dumps(run))
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """The whole way round: nothing of a record is lost."""
    (record,) = read_run(_written(tmp_path, plain_run(2e-3))).records
    assert (2e-3, "net") == (record.latency_s_per_batch, record.model)


def test_run_of_another_suite_is_read(tmp_path: Path) -> None:
    """pytest-benchmark's own files have no record of ours."""
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
def test_file_that_is_no_run_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    """A truncated newest run used to mean a silent comparison with an older one."""
    path = tmp_path / "0001_run.json"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"0001_run\.json"):
        read_run(path)


def _stat(name: str, value: object) -> Callable[[Run], None]:
    def edit(run: Run) -> None:
        run["benchmarks"][0]["stats"][name] = value

    return edit


def _record(name: str, value: object) -> Callable[[Run], None]:
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
        pytest.param(_stat("mean", -1.0), id="negative-time"),
        pytest.param(_stat("rounds", 0), id="zero-rounds"),
        pytest.param(_stat("median", None), id="null"),
        pytest.param(_stat("median", float("nan")), id="nan"),
        pytest.param(_stat("ops", "fast"), id="string"),
        pytest.param(_record("latency_s_per_batch", 0.0), id="zero-latency"),
        pytest.param(_record("batch_size", 0), id="batch-size"),
        pytest.param(_record("facts", {"framework": ["nested"]}), id="nested-fact"),
        pytest.param(_without("machine_info"), id="no-machine-info"),
        pytest.param(_without("benchmarks"), id="no-benchmarks"),
    ],
)
def test_hand_edited_run_is_refused(tmp_path: Path, edit: Callable[[Run], None]) -> None:
    """What the tables divide by must be a positive finite number."""
    run = copy.deepcopy(plain_run())
    edit(run)
    with pytest.raises(RecordError, match="0001_run"):
        read_run(_written(tmp_path, run))


@pytest.mark.parametrize(
    "edit", [_record("schema", 99), lambda run: run["runoff"].update(schema=99)], ids=["case", "run"]
)
def test_newer_schema_is_refused_with_the_cure(tmp_path: Path, edit: Callable[[Run], None]) -> None:
    """A newer runoff may have given the fields another meaning."""
    run = plain_run()
    edit(run)
    with pytest.raises(RecordError, match="schema 99, this runoff reads up to 1; use a newer one"):
        read_run(_written(tmp_path, run))


def test_unknown_field_of_this_schema_is_ignored(tmp_path: Path) -> None:
    """Fields are added within a version."""
    run = plain_run()
    _record("colour", "blue")(run)
    assert read_run(_written(tmp_path, run)).benchmarks


def test_link_is_refused(tmp_path: Path) -> None:
    """A link in a results folder may lead anywhere."""
    (tmp_path / "elsewhere.json").write_text(json.dumps(plain_run()))
    (tmp_path / "0001_run.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(RecordError, match="is a link"):
        read_run(tmp_path / "0001_run.json")


def test_docstring_tells_every_field() -> None:
    """The schema is written down where the fields are."""
    documented = schema.CaseRecord.__doc__ or ""
    assert [name for name in schema.CaseRecord.__struct_fields__ if f"        {name}: " not in documented] == []
