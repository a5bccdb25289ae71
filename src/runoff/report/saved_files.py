"""Lines about saved runs: commands that display them, and warnings about unreadable files in their folder."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from runoff.files.short_path import short_path, short_program_path
from runoff.records.folder import numbered_runs

_MOST_NAMED = 5


def command_lines(saved: Path, earlier: Path | None, folder: Path) -> list[str]:
    """
    Return shell commands that display saved runs. The user can paste them into a shell in the working directory.

    Args:
        saved: The run just saved.
        earlier: An earlier run to compare it with, or None.
        folder: The user's working directory.
    """
    python = Path(sys.executable)
    script = python.with_name("runoff")
    # Print the path of `runoff` even if PATH contains it, because tox extends PATH only during the run.
    is_script = script.is_file()
    runoff = [short_program_path(script if is_script else python, folder), *([] if is_script else ["-m", "runoff"])]
    storage = ["--storage", short_path(saved.parent, folder)]
    lines = [f"see all saved runs: {shlex.join([*runoff, 'history', *storage])}"]
    if earlier:
        numbers = [str(number) for number, _ in numbered_runs((earlier, saved))]
        lines.append(f"see the change of each case: {shlex.join([*runoff, 'compare', *numbers, *storage])}")
    return lines


def skipped_lines(skipped: Mapping[Path, str]) -> list[str]:
    """Return a line for each of the first five skipped files. If there are more, a last line gives the total."""
    lines = [f"skipped, not a saved run: {reason}" for reason in list(skipped.values())[:_MOST_NAMED]]
    if len(skipped) > _MOST_NAMED:
        lines.append(f"skipped {len(skipped)} files in total that are not saved runs")
    return lines
