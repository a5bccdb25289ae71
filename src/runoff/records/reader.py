"""Read a saved run into typed records. The content is validated, because anybody may have edited the file."""

import stat
from pathlib import Path

import msgspec

from runoff.errors import ModelError, RecordError
from runoff.files.untrusted_file import read_bytes
from runoff.records.schema import SCHEMA_VERSION, SavedRun

# Larger files are rejected. A run of 1,000 cases with all their rounds has less than 100 MB.
MAX_FILE_BYTES = 256 * 2**20

_DECODER = msgspec.json.Decoder(SavedRun)


def read_run(path: Path) -> SavedRun:
    """
    Read a saved run and check that all numbers are finite and within their valid ranges.

    Raises:
        RecordError: If the file is a link, cannot be read, is not a saved run, or contains a record that is malformed
            or of a newer schema.
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
                f"{path}: has schema {version}, expected at most {SCHEMA_VERSION}; read it with a newer runoff"
            ) from None
        raise RecordError(f"{path}: is not a saved run: {str(error)[:200]}") from None


def _newest_schema(content: bytes) -> int:
    """Return the highest schema version in the records of a run that could not be decoded, or 0 if there is none."""
    try:
        run = msgspec.json.decode(content)
        records = [run.get("runoff"), *(each["extra_info"].get("runoff") for each in run["benchmarks"])]
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, AttributeError, KeyError, TypeError):
        return 0
    versions = (record.get("schema") for record in records if isinstance(record, dict))
    return max((version for version in versions if isinstance(version, int)), default=0)
