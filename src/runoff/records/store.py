"""
The folder of saved runs: `.benchmarks/<machine>/NNNN_<name>.json`, as pytest-benchmark lays it out.

pytest-benchmark's own storage writes in place (a full disk leaves an empty file), lets two savers race for a number,
and takes an older run in silence when the newest is broken. This one has the same folder, names and format.
"""

import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
from pytest_benchmark.logger import Logger
from pytest_benchmark.storage.file import FileStorage
from pytest_benchmark.utils import safe_dumps

from runoff.errors import RecordError
from runoff.files.atomic_file import write_atomically
from runoff.records.folder import run_number
from runoff.records.saved import read_run
from runoff.records.schema import SavedRun


# pytest-benchmark says that it is typed, and is not.
class AtomicStore(FileStorage):
    """
    pytest-benchmark's file storage, made safe.

    Attributes:
        skipped: Files that were no saved runs, with the reason; whoever holds the store says them.
        rescued: Where a run went that could not be saved in its folder.
        saved: Where the run was saved.
    """

    def __init__(self, path: str | Path, logger: Logger, default_machine_id: str | None = None) -> None:
        super().__init__(str(path), logger, default_machine_id)  # type: ignore[no-untyped-call]  # as above
        self.skipped: dict[Path, str] = {}
        self.rescued: Path | None = None
        self.saved: Path | None = None

    @property
    def location(self) -> str:
        """The folder, for messages; relative where that is possible."""
        return str(self.path)

    @property
    def folder(self) -> Path:
        """Where this machine's runs are kept."""
        return Path(self.path, self.default_machine_id) if self.default_machine_id else Path(self.path)

    def check_writable(self) -> None:
        """
        Find out before anything is measured whether a run can be saved.

        Raises:
            RecordError: If it cannot; says why.
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
        Save a run whole or not at all; what cannot be saved here is put into the temporary folder and said.

        Args:
            output_json: The run.
            save: Its name.
        """
        content = _to_json(output_json)
        name = re.sub(r"[^\w.+-]", "_", save)
        try:
            self.saved = self._write(content, name)
            self.logger.info(f"Saved benchmark data in: {self.saved}")
        except OSError as error:
            self.rescued = _rescue(content, name)
            self.logger.error(f"{self.folder}: the run could not be saved ({error.strerror}); it is in {self.rescued}")

    def _write(self, content: bytes, name: str) -> Path:
        """Write a run under the next free number."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder):
            number = max((number for number, _ in self._numbered()), default=0)
            while True:
                number += 1
                target = self.folder / f"{number:04}_{name}.json"
                # pytest-benchmark's own savers know no lock, so the name may be taken all the same.
                with suppress(FileExistsError):
                    write_atomically(target, content, replace=False)
                    break
        _sync_folder(self.folder)
        return target

    def _numbered(self) -> Iterator[tuple[int, Path]]:
        """Yield the numbered files of this machine's folder, in no order."""
        if not self.folder.is_dir():
            return
        for entry in os.scandir(self.folder):
            number = run_number(entry.name)
            if number is not None:
                yield number, Path(entry.path)

    def runs_newest_first(self) -> Iterator[tuple[Path, SavedRun]]:
        """
        Yield this machine's runs by falling number, reading each only when it is asked for.

        What is no saved run is put into `skipped`; nothing is ever deleted or overwritten.
        """
        for _, path in sorted(self._numbered(), reverse=True):
            run = self._read(path)
            if run is not None:
                yield path, run

    def load(self, *globs_or_files: str) -> Iterator[tuple[Path, dict[str, Any]]]:
        """
        Yield the runs that match, as pytest-benchmark asks for them; its plain form means the newest.

        Args:
            globs_or_files: Paths, or globs as pytest-benchmark takes them.
        """
        if globs_or_files:
            paths = self.query(*globs_or_files)  # type: ignore[no-untyped-call]  # as above
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
    """Return a run as JSON; NaN and infinities, which are not JSON, become null."""
    # safe_dumps knows the types that pytest-benchmark puts into a run; msgspec writes strict JSON.
    plain = json.loads(safe_dumps(output_json))
    return msgspec.json.format(msgspec.json.encode(plain), indent=1) + b"\n"


def _rescue(content: bytes, name: str) -> Path:
    """Write a run that its own folder did not take into a new temporary folder."""
    path = Path(tempfile.mkdtemp(prefix="runoff-rescued-")) / f"{name}.json"
    path.write_bytes(content)
    return path


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other savers of ours out of a folder, so that no two take one number; where the system has such locks."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder survive a crash, where the system knows how."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
