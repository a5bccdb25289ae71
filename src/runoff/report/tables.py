"""Plain-text tables, in the layout that all reports share."""

from collections.abc import Iterable, Sequence

from tabulate import tabulate


def table_lines(headers: Sequence[str], rows: Iterable[Sequence[str]], alignment: str) -> list[str]:
    """Return the lines of a table. `alignment` has one letter per column: `l` for left or `r` for right."""
    sides = ["left" if letter == "l" else "right" for letter in alignment]
    return tabulate(rows, headers, disable_numparse=True, colalign=sides).splitlines()
