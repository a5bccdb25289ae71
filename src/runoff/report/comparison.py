"""The suite's own table: every backend per model and batch size, and where the service starts to win."""

from collections.abc import Iterable, Sequence

from tabulate import tabulate

from runoff.measurement.intervals import Interval, ratio_interval
from runoff.records.schema import OTHER_MODEL
from runoff.report.call_parts import CALL_PARTS_LEGEND, call_parts_lines, is_taken_apart, missing_cases_lines
from runoff.report.measured import MeasuredCase, answers_label, device_label, other_model_suffix
from runoff.units import format_count, format_duration, format_ratio

# What a service has to beat: the model in process, as one would run it without a service.
IN_PROCESS_BACKEND = "onnxruntime-cpu"
_UNTOLD_IDENTITY = "does not tell who it is: a like service that took its place meanwhile would not be noticed"
_HEADERS = ("batch", "backend", "per call", "per sample", "samples/s", "speedup [95 %]", "answers")


def comparison_lines(cases: Sequence[MeasuredCase]) -> list[str]:
    """
    Compare the backends of each model.

    Args:
        cases: What was measured, in any order.

    Returns:
        Per model a title that names the devices that did the work, a table, and from which batch size each service
        wins.
    """
    lines: list[str] = []
    for model in dict.fromkeys(case.record.model for case in cases):
        lines += ["", *_model_lines([case for case in cases if case.record.model == model])]
    if any(case.record.service and case.computes for case in cases):
        lines += [
            "",
            f"speedup: how many times faster the service answers than {IN_PROCESS_BACKEND} in process, by the",
        ]
        lines += ["median round; the interval resamples blocks of rounds. Below 1 the service is slower."]
    if any(is_taken_apart(case.record) for case in cases):
        lines += [*CALL_PARTS_LEGEND, *missing_cases_lines(cases)]
    return lines


def _model_lines(cases: Sequence[MeasuredCase]) -> list[str]:
    ordered = sorted(cases, key=lambda case: case.record.batch_size)
    speedups = {case.record.case: _speedup(case, cases) for case in ordered}
    rows, batch_size = [], 0
    for case in ordered:
        rows.append(_row(case, speedups[case.record.case], new=case.record.batch_size != batch_size))
        batch_size = case.record.batch_size
    table = tabulate(rows, _HEADERS, tablefmt="simple", disable_numparse=True, colalign=_ALIGNMENT)
    conclusions = _conclusions(ordered, speedups)
    return [*_title(cases), *table.splitlines(), *conclusions, *call_parts_lines(ordered)]


_ALIGNMENT = ("right", "left", "right", "right", "right", "left", "left")


def _row(case: MeasuredCase, speedup: Interval | None, *, new: bool) -> tuple[str, ...]:
    record = case.record
    return (
        str(record.batch_size) if new else "",
        record.backend,
        format_duration(record.latency_s_per_batch),
        format_duration(record.latency_s_per_sample),
        format_count(record.throughput_samples_per_s),
        _format_interval(speedup) if speedup else "",
        answers_label(record),
    )


def _format_interval(interval: Interval) -> str:
    low, high = (format_ratio(bound).removesuffix("×") for bound in (interval.low, interval.high))
    return f"{format_ratio(interval.estimate)} [{low}, {high}]"


def _title(cases: Sequence[MeasuredCase]) -> list[str]:
    """Return the model, the devices that ran it, in process against service where both did, and their own names."""
    record = next((case.record for case in cases if case.record.answers != OTHER_MODEL), cases[0].record)
    computing = [case.record for case in cases if case.computes]
    in_process = next((r for r in computing if r.backend == IN_PROCESS_BACKEND), None)
    services = [label for r in computing if r.service for label in [device_label(r)]]
    title = f"{record.model} ({record.model_description})"
    if in_process and services:
        title += f": {device_label(in_process)} against {' and '.join(dict.fromkeys(services))}"
    names = dict.fromkeys(f"{r.device_type.upper()}: {r.device_name or 'unnamed'}" for r in computing)
    lines = [title, *names]
    others = dict.fromkeys(r.backend for r in computing if r.answers == OTHER_MODEL)
    lines += [f"{name} runs another model: its times say nothing about this one" for name in others]
    untold = dict.fromkeys(
        r.backend + other_model_suffix(r) for r in computing if r.facts.get("service_tells_identity") is False
    )
    return lines + [f"{name} {_UNTOLD_IDENTITY}" for name in untold]


def _speedup(case: MeasuredCase, cases: Iterable[MeasuredCase]) -> Interval | None:
    """Return how much faster a service answers than the model in process at the same batch size, if it does both."""
    wanted = (IN_PROCESS_BACKEND, case.record.batch_size)
    base = next((c for c in cases if (c.record.backend, c.record.batch_size) == wanted), None)
    if base is None or not case.record.service or not case.computes:
        return None
    return ratio_interval(base.rounds, case.rounds)


def _conclusions(cases: Sequence[MeasuredCase], speedups: dict[str, Interval | None]) -> list[str]:
    """Return a line per service: the batch size from which it wins, or that it does not."""
    lines = []
    for backend in dict.fromkeys(case.record.backend for case in cases):
        measured = [c.record for c in cases if c.record.backend == backend and speedups[c.record.case]]
        compared = [(record.batch_size, speedups[record.case]) for record in measured]
        known = [(batch_size, speedup) for batch_size, speedup in compared if speedup]
        if known:
            lines.append(f"{backend}{other_model_suffix(measured[0])} {_crossover(known)}")
    return lines


def _crossover(speedups: Sequence[tuple[int, Interval]]) -> str:
    """Return from which batch size on every measured one is certainly won, in words."""
    won_from = None
    for batch_size, speedup in sorted(speedups, key=lambda pair: pair[0], reverse=True):
        if speedup.low <= 1.0:
            break
        won_from = batch_size
    if won_from is not None:
        return f"wins from batch size {won_from} on"
    largest = max(batch_size for batch_size, _ in speedups)
    batch_size, best = max(speedups, key=lambda pair: pair[1].estimate)
    return (
        f"does not win up to batch size {largest}; it comes nearest at batch size {batch_size}"
        f" with {format_ratio(best.estimate)}"
    )
