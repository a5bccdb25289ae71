"""Two tables of one model's cases: a compact one with a row per batch size, and a detailed one with a row per case."""

from collections.abc import Mapping, Sequence

from runoff.records.schema import VERIFIED, CaseRecord
from runoff.report.measured import MeasuredCase, error_label, other_model_suffix
from runoff.report.tables import split_table_lines, table_lines
from runoff.units import format_count, format_duration

_DETAILED_HEADERS = ("batch", "backend", "per call", "per sample", "samples/s", "speedup [95 %]", "answers")
# Maps (backend name, batch size) to the speedup as text.
SpeedupTexts = Mapping[tuple[str, int], str]


def compact_table(cases: Sequence[MeasuredCase], speedups: SpeedupTexts) -> list[str]:
    """
    Return a table of the times per call of one model, with a column per backend and a row per batch size.

    Returns:
        The table, in several parts if it is too wide, the largest error of the answers, and a note if a case was not
        steady.
    """
    records = [case.record for case in cases]
    titles = {record.backend: record.backend + other_model_suffix(record) for record in records}
    services = dict.fromkeys(backend for backend, _ in speedups)
    times = {
        (record.backend, record.batch_size): format_duration(record.latency_s_per_batch)
        + ("" if record.steady else "*")
        for record in records
    }
    rows = [
        [
            str(size),
            *(times.get((backend, size), "") for backend in titles),
            *(speedups.get((backend, size), "") for backend in services),
        ]
        for size in sorted({record.batch_size for record in records})
    ]
    headers = ["batch", *titles.values(), *(f"speedup of {titles[backend]} [95 %]" for backend in services)]
    notes = [] if all(record.steady for record in records) else ["* not steady when its warm-up ended"]
    table = split_table_lines(headers, rows, "r" + "r" * len(titles) + "l" * len(services))
    return [*table, *_answer_lines(records), *notes]


def detailed_table(cases: Sequence[MeasuredCase], speedups: SpeedupTexts) -> list[str]:
    """Return a detailed table of one model's cases: each row shows a case's throughput and how it was verified."""
    rows, shown_size = [], 0
    for record in (case.record for case in cases):
        rows.append(
            (
                str(record.batch_size) if record.batch_size != shown_size else "",
                record.backend,
                format_duration(record.latency_s_per_batch),
                format_duration(record.latency_s_per_sample),
                format_count(record.throughput_samples_per_s),
                speedups.get((record.backend, record.batch_size), ""),
                error_label(record) + ("" if record.steady else ", not steady"),
            )
        )
        shown_size = record.batch_size
    return table_lines(_DETAILED_HEADERS, rows, "rlrrrll")


def _answer_lines(records: Sequence[CaseRecord]) -> list[str]:
    """Return the largest error of the verified outputs, and the backends whose outputs were not verified."""
    verified = [record for record in records if record.answers == VERIFIED and record.worst_error is not None]
    parts = []
    if verified:
        worst = max(verified, key=lambda record: record.worst_error or 0.0)
        parts.append(f"largest {error_label(worst)}, {worst.backend} at batch {worst.batch_size}")
    parts += dict.fromkeys(f"{record.backend}: {record.answers}" for record in records if record.answers != VERIFIED)
    return ["; ".join(parts)] if parts else []
