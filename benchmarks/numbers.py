"""Functions that write measured numbers into a report without changing the text around them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from runoff.measurement.machine import load_average, processor_name
from runoff.measurement.yardstick import measure_yardstick


def machine_line() -> str:
    """Return a line with the conditions of a measurement: date, processor, load average and yardstick time."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    yardstick_ms = measure_yardstick() * 1e3
    return f"{now}, {processor_name()}, load {load_average():.1f}, yardstick {yardstick_ms:.2f} ms"


def write_numbers(report: Path, name: str, lines: Sequence[str]) -> None:
    """
    Replace the numbers that one program wrote into a report.

    Args:
        report: A Markdown file with a line `<!-- NAME -->` and later a line `<!-- /NAME -->`.
        name: The NAME in these two lines.
        lines: The new text between the two lines.

    Raises:
        SystemExit: If the file does not contain these two lines.
    """
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    text = report.read_text(encoding="utf-8")
    parts = re.fullmatch(f"(.*{re.escape(start)}\n).*({re.escape(end)}.*)", text, re.DOTALL)
    if parts is None:
        raise SystemExit(f"{report}: found no lines {start} and {end}, expected both; the numbers go between them")
    report.write_text(f"{parts[1]}\n" + "\n".join(lines) + f"\n\n{parts[2]}", encoding="utf-8")
