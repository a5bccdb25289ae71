"""Which model files a user means: files, folders and globs, each once, each with a name of its own."""

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from runoff.errors import ModelError

# A name becomes part of a test id, a record's key and an output file.
_UNSAFE_IN_NAMES = str.maketrans(dict.fromkeys('/\\:[]"<>|*? \t\r\n', "_"))


def find(paths: Iterable[str], suffix: str = ".model") -> dict[str, Path]:
    """
    Expand what a user typed to model files.

    Args:
        paths: Files, folders (their files that end in `suffix`) and globs.
        suffix: The usual ending of such files.

    Returns:
        Name (the file's without its suffix) to path, in the order of naming; a folder's and a glob's sorted.

    Raises:
        ModelError: If a path leads to nothing, a file is named twice, or two would have one name.
    """
    found: dict[str, Path] = {}
    by_real_path: dict[str, Path] = {}
    for path in [file for text in paths for file in _expand(text, suffix)]:
        name = name_of(path)
        twice = by_real_path.setdefault(os.path.realpath(path), path)
        if twice is not path:
            raise ModelError(f"{twice} and {path}: the same file is named twice")
        if name in found:
            raise ModelError(f"{found[name]} and {path}: both would be called {name}; rename one")
        found[name] = path
    if not found:
        raise ModelError(f"no models: name at least one {suffix} file, folder or glob")
    return found


def name_of(path: Path) -> str:
    """Return a model's name: its file's without the suffix, safe in a test id and in a file name."""
    return path.stem.translate(_UNSAFE_IN_NAMES)


def _expand(text: str, suffix: str) -> list[Path]:
    path = Path(text)
    if path.is_dir():
        try:
            files = sorted(file for file in path.iterdir() if file.suffix == suffix)
        except OSError as error:
            raise ModelError(f"{path}: the folder cannot be read: {error.strerror}") from None
        if not files:
            raise ModelError(f"{path}: a folder without {suffix} files")
        return files
    if os.path.lexists(path) or not glob.has_magic(text):
        if not os.path.lexists(path):
            raise ModelError(f"{path}: no such file or folder")
        return [path]
    matches = sorted(glob.glob(text, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
    files = [file for match in matches for file in _expand(match, suffix)]
    if not files:
        raise ModelError(f"{text}: the glob matches nothing")
    return files
