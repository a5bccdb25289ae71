"""Bytes of a saved run -> typed and checked. Saved runs are untrusted: anybody may have edited them."""

import stat
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec

from runoff.errors import ModelError, RecordError
from runoff.files.untrusted_file import read_bytes
from runoff.records.schema import SCHEMA_VERSION, CaseRecord, RunRecord, SavedRun

# A run of 1,000 cases with all its rounds stays under 100 MB.
MAX_FILE_BYTES = 256 * 2**20

_DECODER = msgspec.json.Decoder(SavedRun)


def read_run(path: Path) -> SavedRun:
    """
    Read a saved run.

    Args:
        path: The file.

    Returns:
        The run, every number in it finite and in its range, runoff's own records typed.

    Raises:
        RecordError: If the file cannot be read, is no saved run, has a record that is malformed or of a newer schema,
            or is a link.
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
        return _DECODER.decode(content)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        version = _newest_schema(content)
        if version > SCHEMA_VERSION:
            raise RecordError(
                f"{path}: has schema {version}, this runoff reads up to {SCHEMA_VERSION}; use a newer one"
            ) from None
        raise RecordError(f"{path}: is no saved run: {str(error)[:200]}") from None


def to_plain(record: CaseRecord | RunRecord) -> dict[str, Any]:
    """Return a record as plain JSON values."""
    return deepcopy(msgspec.structs.asdict(record))


def _newest_schema(content: bytes) -> int:
    """Return the newest schema that a malformed run's records name; 0 if none can be found."""
    try:
        run = msgspec.json.decode(content)
        records = [run.get("runoff"), *(each["extra_info"].get("runoff") for each in run["benchmarks"])]
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, AttributeError, KeyError, TypeError):
        return 0
    versions = (record.get("schema") for record in records if isinstance(record, dict))
    return max((version for version in versions if isinstance(version, int)), default=0)
