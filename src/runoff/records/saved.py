"""Bytes of a saved run -> typed and checked. Saved runs are untrusted: anybody may have edited them."""

import stat
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from runoff.errors import ModelError, RecordError
from runoff.records.schema import SCHEMA_VERSION, CaseRecord, RunRecord, SavedBenchmark, SavedRun
from runoff.untrusted_file import read_bytes

# A run of 1,000 cases with all its rounds stays under 100 MB.
MAX_FILE_BYTES = 256 * 2**20

_Record = TypeVar("_Record", CaseRecord, RunRecord)


def read_run(path: Path) -> SavedRun:
    """
    Read a saved run.

    Args:
        path: The file.

    Returns:
        The run, every number in it finite and in its range.

    Raises:
        RecordError: If the file cannot be read, is no saved run, or is a link.
    """
    try:
        if stat.S_ISLNK(path.lstat().st_mode):
            raise RecordError(f"{path}: is a link, expected a file")
        content = read_bytes(path, MAX_FILE_BYTES)
    except (ModelError, OSError) as error:
        raise RecordError(str(error)) from None
    if not content:
        raise RecordError(f"{path}: is empty, expected a saved run")
    try:
        run = msgspec.json.decode(content, type=SavedRun)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: is no saved run: {str(error)[:200]}") from None
    for benchmark in run.benchmarks:
        case_record(benchmark, path)
    run_record(run, path)
    return run


def case_record(benchmark: SavedBenchmark, where: object) -> CaseRecord | None:
    """
    Take runoff's record out of a saved benchmark.

    Args:
        benchmark: One benchmark of a saved run.
        where: What to call the file in messages.

    Returns:
        The record, or None if runoff did not measure it.

    Raises:
        RecordError: If it is malformed or of a newer schema.
    """
    return _typed(benchmark.extra_info.get("runoff"), CaseRecord, f"{where}: {benchmark.fullname[:120]}")


def run_record(run: SavedRun, where: object) -> RunRecord | None:
    """Take runoff's record of the whole run out of it; as `case_record`."""
    return _typed(run.runoff, RunRecord, str(where))


def to_plain(record: CaseRecord | RunRecord) -> dict[str, Any]:
    """Return a record as plain JSON values."""
    return asdict(record)


def _typed(found: object, kind: type[_Record], where: str) -> _Record | None:
    if found is None:
        return None
    version = found.get("schema") if isinstance(found, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise RecordError(f"{where}: has schema {version}, this runoff reads up to {SCHEMA_VERSION}; use a newer one")
    try:
        return msgspec.convert(found, type=kind)
    except msgspec.ValidationError as error:
        raise RecordError(f"{where}: its runoff record is malformed: {str(error)[:200]}") from None
