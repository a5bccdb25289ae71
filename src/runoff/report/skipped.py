"""Warnings about files in the results folder that are not saved runs."""

from collections.abc import Mapping
from pathlib import Path

_MOST_NAMED = 5


def skipped_lines(skipped: Mapping[Path, str]) -> list[str]:
    """Return a warning with the reason for each of the first five files, and the number of files if there are more."""
    lines = [f"skipped, not a saved run: {reason}" for reason in list(skipped.values())[:_MOST_NAMED]]
    if len(skipped) > _MOST_NAMED:
        lines.append(f"skipped {len(skipped)} files in total that are not saved runs")
    return lines
