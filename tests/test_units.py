"""Durations, counts and ratios are printed with three digits and a suitable unit."""

import pytest

from runoff.units import format_count, format_duration, format_items, format_ratio


@pytest.mark.parametrize(
    ("duration_s", "shown"),
    [
        (4.614e-6, "4.61 µs"),
        (1.1e-3, "1.10 ms"),
        (0.0138, "13.8 ms"),
        (0.9999, "1.00 s"),
        (9.996e-4, "1.00 ms"),
        (315e-9, "315 ns"),
        (12.34, "12.3 s"),
        (0.0, "0.00 ns"),
        (float("nan"), "-"),
    ],
)
def test_duration_has_three_digits_and_a_suitable_unit(duration_s: float, shown: str) -> None:
    """Readers compare table cells by eye, so 0.9996 ms must not appear as 1000 µs beside 1.00 ms."""
    assert shown == format_duration(duration_s)


@pytest.mark.parametrize(("count", "shown"), [(216_700, "217k"), (1_349_000, "1.35M"), (909, "909"), (2e9, "2.00G")])
def test_count_has_three_digits_and_a_prefix(count: float, shown: str) -> None:
    """Throughputs in one table span six orders of magnitude, so each is printed with a suitable unit."""
    assert shown == format_count(count)


@pytest.mark.parametrize(
    ("ratio", "shown"), [(0.0042, "0.0042×"), (0.03, "0.030×"), (0.31, "0.31×"), (1.0, "1.00×"), (67.4, "67.4×")]
)
def test_ratio_keeps_two_digits_when_small(ratio: float, shown: str) -> None:
    """A service that is 200 times slower must not appear as 0.00×."""
    assert shown == format_ratio(ratio)


@pytest.mark.parametrize(("count", "shown"), [(0, "0 cases"), (1, "1 case"), (2, "2 cases")])
def test_items_are_plural_unless_there_is_one(count: int, shown: str) -> None:
    """A message such as `1 cases` looks like a mistake."""
    assert shown == format_items(count, "case")
