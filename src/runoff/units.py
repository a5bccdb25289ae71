"""Format durations, counts and ratios with three digits and a unit, for tables and messages."""

import math

_TIME_STEPS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (0.0, "ns"))
_COUNT_STEPS = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (0.0, ""))


def _three_digits(number: float) -> str:
    """Format a number from 0 to 9999 with about three significant digits and no exponent."""
    decimals = 2 if abs(number) < 9.995 else 1 if abs(number) < 99.95 else 0
    return f"{number:.{decimals}f}"


def format_duration(duration_s: float) -> str:
    """Format a duration with three digits and a unit, such as `1.10 ms`. Return `-` if it is not finite."""
    if not math.isfinite(duration_s):
        return "-"
    scale, unit = next(step for step in _TIME_STEPS if abs(duration_s) >= step[0] * 0.9995)
    return f"{_three_digits(duration_s / (scale or 1e-9))} {unit}"


def format_count(count: float) -> str:
    """Format a count with three digits and a decimal prefix, such as `1.35M`. Return `-` if it is not finite."""
    if not math.isfinite(count):
        return "-"
    scale, prefix = next(step for step in _COUNT_STEPS if abs(count) >= step[0] * 0.9995)
    return f"{_three_digits(count / (scale or 1.0))}{prefix}"


def format_items(count: int, item: str) -> str:
    """Format a number of items, such as `1 case` or `2 cases`. `item` is a noun whose plural ends in s."""
    return f"{count} {item}" if count == 1 else f"{count} {item}s"


def format_ratio(ratio: float) -> str:
    """Format a ratio with up to three digits and a times sign, such as `0.52×`. Return `-` if it is not finite."""
    if not math.isfinite(ratio):
        return "-"
    return f"{_three_digits(ratio)}×" if ratio >= 0.0995 else f"{ratio:#.2g}×"
