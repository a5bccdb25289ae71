"""
Save runs atomically in pytest-benchmark's layout: `.benchmarks/<machine>/NNNN_<name>.json`.

pytest-benchmark's own storage has three faults: a full disk leaves an empty file, two processes that save at the same
time may choose the same number, and if the newest run is broken, an older one is read silently. This storage has none
of these faults and uses the same folder, names and format.
"""

import itertools
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from pytest_benchmark.logger import Logger
from pytest_benchmark.storage.file import FileStorage
from pytest_benchmark.utils import safe_dumps

from runoff.errors import RecordError
from runoff.files.atomic_file import write_atomically
from runoff.files.file_lock import hold_lock
from runoff.records.folder import numbered_runs
from runoff.records.reader import read_run
from runoff.records.schema import SavedRun


# pytest-benchmark declares that it is typed, but its functions have no annotations, so calls need `type: ignore`.
class AtomicStore(FileStorage):
    """
    A replacement for pytest-benchmark's file storage that writes atomically and validates the files that it reads.

    Attributes:
        skipped: Files that could not be read as saved runs, with the reason; the caller must report them.
        rescued: Path of a run that could not be saved in `folder` and was saved in a temporary folder instead.
        saved: Path of the run that was saved.
    """

    def __init__(self, path: str | Path, logger: Logger, default_machine_id: str | None = None) -> None:
        super().__init__(str(path), logger, default_machine_id)  # type: ignore[no-untyped-call]  # see the class
        self.skipped: dict[Path, str] = {}
        self.rescued: Path | None = None
        self.saved: Path | None = None

    @property
    def location(self) -> str:
        """Path of the storage folder as text. pytest-benchmark prints this path in its messages."""
        return str(self.path)

    @property
    def folder(self) -> Path:
        """Folder of the runs of this machine."""
        return Path(self.path, self.default_machine_id or "")

    def check_writable(self) -> None:
        """
        Check that a run can be saved, so that a problem is reported before an hour of measurements, not after it.

        Raises:
            RecordError: If the folder cannot be written; the message gives the reason.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder) as probe:
                probe.write(b"runoff")
        except OSError as error:
            raise RecordError(
                f"{self.folder}: results cannot be saved there: {error.strerror};"
                " name another folder with --benchmark-storage"
            ) from None

    def save(self, output_json: dict[str, Any], save: str) -> None:
        """
        Save a run in pytest-benchmark's format. If that fails, log an error and save it in a temporary folder instead.

        `save` is the name of the run, which becomes part of the file name.
        """
        content = _to_json(output_json)
        name = re.sub(r"[^\w.+-]", "_", save)
        try:
            self.saved = self._write(content, name)
        except OSError as error:
            self.rescued = Path(tempfile.mkdtemp(prefix="runoff-rescued-"), f"{name}.json")
            self.rescued.write_bytes(content)
            self.logger.error(f"{self.folder}: the run could not be saved ({error.strerror}); it is in {self.rescued}")

    def _write(self, content: bytes, name: str) -> Path:
        """Write a run to a new file with the next free number, and return the path of the file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with hold_lock(self.folder / ".lock"):
            newest = max((number for number, _ in self._numbered()), default=0)
            for number in itertools.count(newest + 1):
                target = self.folder / f"{number:04}_{name}.json"
                # pytest-benchmark itself ignores the lock, so it may have taken this number; then try the next one.
                with suppress(FileExistsError):
                    write_atomically(target, content, replace=False)
                    break
        _sync_folder(self.folder)
        return target

    def _numbered(self) -> list[tuple[int, Path]]:
        """Return (number, path) for each saved run of this machine, sorted by number."""
        return numbered_runs(self.folder.glob("*.json"))

    def runs_newest_first(self) -> Iterator[tuple[Path, SavedRun]]:
        """
        Yield the runs of this machine, newest first. Each file is read only when the caller requests its run.

        Unreadable files are added to `skipped`. No file is ever deleted or overwritten.
        """
        for _, path in reversed(self._numbered()):
            run = self._read(path)
            if run is not None:
                yield path, run

    def load(self, *globs_or_files: str) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Yield the saved runs that match the paths or globs. Without arguments, yield the newest readable run."""
        if globs_or_files:
            paths = self.query(*globs_or_files)  # type: ignore[no-untyped-call]  # see the class
        else:
            newest = next(self.runs_newest_first(), None)
            paths = [newest[0]] if newest else []
        for path in paths:
            if self._read(path) is None:
                continue
            data = json.loads(path.read_bytes())
            yield path.relative_to(self.path) if path.is_relative_to(self.path) else path, data

    def _read(self, path: Path) -> SavedRun | None:
        if path in self.skipped:
            return None
        try:
            return read_run(path)
        except RecordError as error:
            self.skipped[path] = str(error)
            return None


def _to_json(output_json: dict[str, Any]) -> bytes:
    """Encode a run as JSON. NaN and infinities become null, because JSON does not support them."""
    # Only safe_dumps accepts every type that pytest-benchmark puts into a run, and only msgspec writes NaN as null.
    plain = json.loads(safe_dumps(output_json))
    return msgspec.json.format(msgspec.json.encode(plain), indent=1) + b"\n"


def _sync_folder(folder: Path) -> None:
    """Flush a folder to disk, so that a new file in it survives a power cut. On Windows, do nothing."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
