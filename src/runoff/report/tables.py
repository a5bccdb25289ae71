"""Plain-text tables, in the layout that all reports share."""

from collections.abc import Iterable, Sequence

from tabulate import tabulate

# The most characters in a line of a report.
WIDTH = 120


def table_lines(headers: Sequence[str], rows: Iterable[Sequence[str]], alignment: str) -> list[str]:
    """Return the lines of a table. `alignment` has one letter per column: `l` for left or `r` for right."""
    sides = ["left" if letter == "l" else "right" for letter in alignment]
    return tabulate(rows, headers, disable_numparse=True, colalign=sides).splitlines()


def split_table_lines(headers: Sequence[str], rows: Sequence[Sequence[str]], alignment: str) -> list[str]:
    """
    Return a table of at most WIDTH characters per line, with the arguments of `table_lines`.

    Columns that do not fit follow below in further tables, each of which begins with the first column.
    """
    lines, count = table_lines(headers, rows, alignment), len(headers)
    while count > 2 and max(map(len, lines)) > WIDTH:
        count -= 1
        lines = table_lines(headers[:count], [row[:count] for row in rows], alignment[:count])
    if count == len(headers):
        return lines
    others = [[row[0], *row[count:]] for row in rows]
    return [*lines, "", *split_table_lines([headers[0], *headers[count:]], others, alignment[0] + alignment[count:])]
