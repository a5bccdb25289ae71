"""Many saved runs at once: a folder of them, of one machine or several, in the order in which they were made."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from runoff.errors import RecordError, UsageError
from runoff.records.saved import read_run
from runoff.records.schema import SavedRun

_NUMBERED = re.compile(r"^(\d{4,})_.*\.json$")


def run_number(file_name: str) -> int | None:
    """Return the number of a saved run's file, `0012_name.json`; None for another file."""
    match = _NUMBERED.match(file_name)
    return int(match[1]) if match else None


@dataclass
class RunFolder:
    """
    A folder as pytest-benchmark lays it out: `<folder>/<machine>/NNNN_<name>.json`.

    Attributes:
        path: The folder.
        skipped: Files that were no saved runs, with the reason.
    """

    path: Path
    skipped: dict[Path, str] = field(default_factory=dict)

    def runs(self) -> Iterator[tuple[Path, SavedRun]]:
        """
        Yield the runs of each machine by rising number; what is no saved run goes into `skipped`.

        Raises:
            UsageError: If there is no such folder.
        """
        for path in self.files():
            try:
                yield path, read_run(path)
            except RecordError as error:
                self.skipped[path] = str(error)

    def files(self) -> list[Path]:
        """Return the numbered files, a machine's together, by rising number."""
        if not self.path.is_dir():
            raise UsageError(f"{self.path}: no such folder; name the one with saved runs with --storage")
        found = ((run_number(path.name), path) for path in self.path.glob("**/*.json"))
        numbered = [(path.parent, number, path) for number, path in found if number is not None]
        return [path for _, _, path in sorted(numbered)]

    def find(self, name: str) -> Path:
        """
        Return the file that a user means: a path, a number, or the beginning of a name.

        Raises:
            UsageError: If none or several fit.
        """
        if Path(name).is_file():
            return Path(name)
        number = name.zfill(4) if name.isdecimal() else ""
        fits = [path for path in self.files() if path.name.startswith((f"{number}_",) if number else (name,))]
        if len(fits) != 1:
            some = ", ".join(path.name[:30] for path in fits[:3]) or "nothing"
            raise UsageError(f"{name}: stands for {some} in {self.path}, expected one saved run: a path or a number")
        return fits[0]
