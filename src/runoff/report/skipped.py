"""What is said of files that were no saved runs: loudly, counted, and not at length."""

from collections.abc import Mapping
from pathlib import Path

_MOST_NAMED = 5


def skipped_lines(skipped: Mapping[Path, str]) -> list[str]:
    """Return a line for each of the first few files, with its reason, and one that counts them where there are more."""
    lines = [f"skipped, no saved run: {reason}" for reason in list(skipped.values())[:_MOST_NAMED]]
    if len(skipped) > _MOST_NAMED:
        lines.append(f"skipped {len(skipped)} files in all that are no saved runs")
    return lines
