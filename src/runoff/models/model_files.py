"""Find the model files that a user passes as files, folders or globs, and give each model a unique name."""

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from runoff.errors import ModelError

# Characters to replace in a model's name, because the name becomes part of test ids, records and file names.
_UNSAFE_IN_NAMES = str.maketrans(dict.fromkeys('/\\:[]"<>|*? \t\r\n', "_"))


def find(paths: Iterable[str], suffix: str = ".model") -> dict[str, Path]:
    """
    Find the model files in a user's list of files, folders and globs.

    Args:
        paths: Files, folders and globs. A folder stands for the files in it that end in `suffix`.
        suffix: Usual ending of a model file.

    Returns:
        Paths by model name, in the order in which they were given; the files of a folder or a glob are sorted.

    Raises:
        ModelError: If a path or glob matches nothing, if a file is named twice, or if two models have one name.
    """
    found: dict[str, Path] = {}
    by_real_path: dict[str, Path] = {}
    for path in [file for text in paths for file in _expand(text, suffix)]:
        name = name_of(path)
        earlier = by_real_path.setdefault(os.path.realpath(path), path)
        if earlier is not path:
            raise ModelError(f"{earlier} and {path}: the same file is named twice")
        if name in found:
            raise ModelError(f"{found[name]} and {path}: both would be called {name}; rename one")
        found[name] = path
    if not found:
        raise ModelError(f"no models: name at least one {suffix} file, folder or glob")
    return found


def name_of(path: Path) -> str:
    """Return a model's name: its file name without the suffix, made safe for test ids and file names."""
    return path.stem.translate(_UNSAFE_IN_NAMES)


def _expand(text: str, suffix: str) -> list[Path]:
    """Return the model files to which one path, folder or glob expands."""
    path = Path(text)
    if path.is_dir():
        try:
            files = sorted(file for file in path.iterdir() if file.suffix == suffix)
        except OSError as error:
            raise ModelError(f"{path}: the folder cannot be read: {error.strerror}") from None
        if not files:
            raise ModelError(f"{path}: the folder contains no {suffix} files")
        return files
    if os.path.lexists(path) or not glob.has_magic(text):
        if not os.path.lexists(path):
            raise ModelError(f"{path}: no such file or folder")
        return [path]
    matches = sorted(glob.glob(text, recursive=True))  # noqa: PTH207 - Path.glob does not accept absolute patterns
    files = [file for match in matches for file in _expand(match, suffix)]
    if not files:
        raise ModelError(f"{text}: the glob matches no files")
    return files
