"""The tables of one model's cases: a compact one with a row per batch size, and a detailed one with a row per case."""

from collections.abc import Mapping, Sequence

from tabulate import tabulate

from runoff.records.schema import VERIFIED
from runoff.report.measured import MeasuredCase, answers_label, error_label, other_model_suffix
from runoff.report.speedup import Speedup
from runoff.units import format_count, format_duration

_NOT_STEADY = "*"
_DETAILED_HEADERS = ("batch", "backend", "per call", "per sample", "samples/s", "speedup [95 %]", "answers")
_DETAILED_ALIGNMENT = ("right", "left", "right", "right", "right", "left", "left")


def compact_table(cases: Sequence[MeasuredCase], speedups: Mapping[str, Sequence[Speedup]]) -> list[str]:
    """
    Lay out the time per call of one model's cases, a column per backend and a row per batch size.

    Args:
        cases: Cases of one model.
        speedups: Backend name to its speedups, as service_speedups returns them.

    Returns:
        The table, the largest error of the answers, and a note if a case was not steady.
    """
    titles = {case.record.backend: case.record.backend + other_model_suffix(case.record) for case in cases}
    times = {(case.record.backend, case.record.batch_size): _time_cell(case) for case in cases}
    ratios = {(name, speedup.batch_size): speedup.text for name in speedups for speedup in speedups[name]}
    sizes = sorted({case.record.batch_size for case in cases})
    rows = [
        [
            str(size),
            *(times.get((name, size), "") for name in titles),
            *(ratios.get((name, size), "") for name in speedups),
        ]
        for size in sizes
    ]
    headers = ["batch", *titles.values(), *(f"speedup of {titles[name]} [95 %]" for name in speedups)]
    alignment = ["right"] * (1 + len(titles)) + ["left"] * len(speedups)
    table = tabulate(rows, headers, tablefmt="simple", disable_numparse=True, colalign=alignment).splitlines()
    notes = [] if all(case.record.steady for case in cases) else [f"{_NOT_STEADY} not steady when its warm-up ended"]
    return [*table, *_answer_lines(cases), *notes]


def detailed_table(cases: Sequence[MeasuredCase], speedups: Mapping[str, Sequence[Speedup]]) -> list[str]:
    """
    Lay out one model's cases, a row per case, with throughput and the state of the answers.

    Args:
        cases: Cases of one model.
        speedups: Backend name to its speedups, as service_speedups returns them.

    Returns:
        The table.
    """
    ratios = {(name, speedup.batch_size): speedup.text for name in speedups for speedup in speedups[name]}
    rows, shown_size = [], 0
    for case in sorted(cases, key=lambda case: case.record.batch_size):
        record = case.record
        rows.append(
            (
                str(record.batch_size) if record.batch_size != shown_size else "",
                record.backend,
                format_duration(record.latency_s_per_batch),
                format_duration(record.latency_s_per_sample),
                format_count(record.throughput_samples_per_s),
                ratios.get((record.backend, record.batch_size), ""),
                answers_label(record),
            )
        )
        shown_size = record.batch_size
    return tabulate(
        rows, _DETAILED_HEADERS, tablefmt="simple", disable_numparse=True, colalign=_DETAILED_ALIGNMENT
    ).splitlines()


def _time_cell(case: MeasuredCase) -> str:
    return format_duration(case.record.latency_s_per_batch) + ("" if case.record.steady else _NOT_STEADY)


def _answer_lines(cases: Sequence[MeasuredCase]) -> list[str]:
    """Return the largest error among verified answers, and the backends whose answers were not verified."""
    records = [case.record for case in cases]
    verified = [record for record in records if record.answers == VERIFIED and record.worst_error is not None]
    parts = []
    if verified:
        worst = max(verified, key=lambda record: record.worst_error or 0.0)
        parts.append(f"largest {error_label(worst)}, {worst.backend} at batch {worst.batch_size}")
    unverified = dict.fromkeys((r.backend, r.answers) for r in records if r.answers != VERIFIED)
    parts += [f"{backend}: {answers}" for backend, answers in unverified]
    return ["; ".join(parts)] if parts else []
