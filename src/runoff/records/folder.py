"""Read the saved runs in a folder, sorted by run number. The folder may contain runs of several machines."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from runoff.errors import RecordError, UsageError
from runoff.records.reader import read_run
from runoff.records.schema import SavedRun

_NUMBERED = re.compile(r"^(\d{4,})_.*\.json$")


def numbered_runs(paths: Iterable[Path]) -> list[tuple[int, Path]]:
    """Return (number, path) for each path that is named like a saved run (`0012_name.json`), sorted by number."""
    matches = ((_NUMBERED.match(path.name), path) for path in paths)
    return sorted((int(match[1]), path) for match, path in matches if match)


@dataclass
class RunFolder:
    """
    A folder of saved runs in pytest-benchmark's layout: `<folder>/<machine>/NNNN_<name>.json`.

    Attributes:
        path: The folder.
        skipped: Files that could not be read as saved runs, with the reason.
    """

    path: Path
    skipped: dict[Path, str] = field(default_factory=dict)

    def runs(self) -> Iterator[tuple[Path, SavedRun]]:
        """
        Yield all readable runs, grouped by machine and sorted by number. Add unreadable files to `skipped`.

        Raises:
            UsageError: If the folder does not exist.
        """
        for path in self.files():
            try:
                yield path, read_run(path)
            except RecordError as error:
                self.skipped[path] = str(error)

    def files(self) -> list[Path]:
        """Return the paths of all numbered files, grouped by machine and sorted by number."""
        if not self.path.is_dir():
            raise UsageError(f"{self.path}: no such folder; name the folder of saved runs with --storage")
        paths = [path for _, path in numbered_runs(self.path.glob("**/*.json"))]
        return sorted(paths, key=lambda path: path.parent)

    def find(self, name: str) -> Path:
        """
        Find a saved run by its path, its number or the beginning of its file name.

        Raises:
            UsageError: If no file or several files match.
        """
        if Path(name).is_file():
            return Path(name)
        number = name.zfill(4) if name.isdecimal() else ""
        matches = [path for path in self.files() if path.name.startswith((f"{number}_",) if number else (name,))]
        if len(matches) != 1:
            found = ", ".join(path.name[:30] for path in matches[:3]) or "no file"
            raise UsageError(f"{name}: matches {found} in {self.path}, expected one saved run: a path or a number")
        return matches[0]
