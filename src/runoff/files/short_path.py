"""Shorten file paths in messages: print a path inside the working folder relative to that folder."""

import os
from pathlib import Path


def short_path(path: Path, folder: Path) -> str:
    """Return a path relative to a folder if the path is inside the folder, otherwise the unchanged path."""
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def short_program_path(program: Path, folder: Path) -> str:
    """Return `short_path` of a program. A bare name becomes `./name`, because a shell would search it on PATH."""
    shown = short_path(program, folder)
    return shown if os.sep in shown else f"./{shown}"
