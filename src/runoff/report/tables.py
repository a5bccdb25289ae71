"""Plain tables, in the one layout that all reports use."""

from collections.abc import Iterable, Sequence

from tabulate import tabulate


def table_lines(headers: Sequence[str], rows: Iterable[Sequence[str]], alignment: str) -> list[str]:
    """Lay out a table; `alignment` has one letter per column: `l` for left or `r` for right."""
    sides = ["left" if letter == "l" else "right" for letter in alignment]
    return tabulate(rows, headers, disable_numparse=True, colalign=sides).splitlines()
