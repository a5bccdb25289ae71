"""The report of a run: first a sentence with each model's result, then a table for each model."""

import itertools
import textwrap
from collections.abc import Mapping, Sequence

from runoff.records.schema import OTHER_MODEL
from runoff.report.call_parts import CALL_PARTS_LEGEND, call_parts_lines, has_call_parts, missing_cases_lines
from runoff.report.case_tables import compact_table, detailed_table
from runoff.report.headline import headlines
from runoff.report.measured import MeasuredCase, device_label, other_model_suffix
from runoff.report.speedup import IN_PROCESS_BACKEND, Speedup, service_speedups
from runoff.report.tables import WIDTH
from runoff.units import format_items

_UNKNOWN_IDENTITY = "does not report its identity; the run would not notice if a similar service replaced it"
_SPEEDUP_LEGEND = (
    f"Times are per call, of the median round. Speedup of a service: time of {IN_PROCESS_BACKEND} / time of the"
    " service, with its 95 % interval; below 1 the service is slower."
)


def comparison_lines(cases: Sequence[MeasuredCase], failed: int = 0, *, detailed: bool) -> list[str]:
    """
    Return the report of a run: each model's result, the devices, and a table for each model.

    Args:
        cases: All cases of the run that did not fail, in any order.
        failed: Number of cases that failed.
        detailed: Whether to show throughput, the answers of each case and where the time of a call goes.
    """
    models = dict.fromkeys(case.record.model for case in cases)
    by_model = [[case for case in cases if case.record.model == model] for model in models]
    speedups = [service_speedups(group) for group in by_model]
    sentences = itertools.chain(*map(headlines, by_model, speedups))
    lines = [line for sentence in sentences for line in _wrapped(sentence)]
    lines += [f"the result is incomplete: {format_items(failed, 'case')} failed"] if failed else []
    computing = [case.record for case in cases if case.computes]
    devices = dict.fromkeys(f"{r.device_type.upper()}: {r.device_name or 'unnamed'}" for r in computing)
    lines += ["", *devices] if devices else []
    for group, by_backend in zip(by_model, speedups, strict=True):
        lines += ["", *_title_lines(group), *_model_lines(group, by_backend, detailed=detailed)]
    if any(record.service for record in computing):
        lines += ["", *_wrapped(_SPEEDUP_LEGEND)]
    if detailed and any(has_call_parts(case.record) for case in cases):
        lines += [*CALL_PARTS_LEGEND, *missing_cases_lines(cases)]
    return lines


def _wrapped(sentence: str) -> list[str]:
    return textwrap.wrap(sentence, WIDTH, subsequent_indent="    ", break_on_hyphens=False, break_long_words=False)


def _model_lines(
    cases: Sequence[MeasuredCase], by_backend: Mapping[str, Sequence[Speedup]], *, detailed: bool
) -> list[str]:
    """Return the tables of one model, given its cases and their `service_speedups`."""
    ordered = sorted(cases, key=lambda case: case.record.batch_size)
    speedups = {(name, speedup.batch_size): speedup.text for name in by_backend for speedup in by_backend[name]}
    if detailed:
        return [*detailed_table(ordered, speedups), *call_parts_lines(ordered)]
    return compact_table(ordered, speedups)


def _title_lines(cases: Sequence[MeasuredCase]) -> list[str]:
    """Return a title with the model and its devices, and a warning for each service that reports no identity."""
    record = next((case.record for case in cases if case.record.answers != OTHER_MODEL), cases[0].record)
    computing = [case.record for case in cases if case.computes]
    in_process = next((r for r in computing if r.backend == IN_PROCESS_BACKEND), None)
    services = dict.fromkeys(device_label(r) for r in computing if r.service)
    title = f"{record.model} ({record.model_description})"
    if in_process and services:
        title += f": {device_label(in_process)} against {' and '.join(services)}"
    unknown = [r.backend + other_model_suffix(r) for r in computing if r.facts.get("service_tells_identity") is False]
    return [title, *(f"{name} {_UNKNOWN_IDENTITY}" for name in dict.fromkeys(unknown))]
