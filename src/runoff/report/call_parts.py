"""Where a call through a service spends its time, as far as service, client and the other cases of the run can tell."""

from collections.abc import Sequence
from dataclasses import dataclass

from tabulate import tabulate

from runoff.records.schema import VERIFIED, CaseRecord
from runoff.report.measured import MeasuredCase, other_model_suffix
from runoff.units import format_duration

# The headers are the sum that each line is.
_HEADERS = (
    "batch",
    "service",
    "call",
    "= compute",
    "(model",
    "+ framework",
    "+ hosting)",
    "+ queue",
    "+ messages",
    "+ transport",
    "null's",
    "in process",
)
_ALIGNMENT = ("right", "left", *["right"] * 9, "left")
CALL_PARTS_LEGEND = (
    "call = compute + queue + messages + transport: single calls, made one by one after the rounds; the mean of the",
    "middle half of them. compute, the forward pass, and queue, the wait for its turn, are timed by the service;",
    "messages, encoding and decoding, by both ends; transport is the rest: gRPC, threads, sockets. null's: the",
    "transport of the service that computes nothing, over the same protocol.",
    "compute = model + framework + hosting. model: the fastest case in process, on the same device and threads;",
    "framework: what the service's engine takes more than that in process; hosting: what it takes more still in the",
    "service, the rest of compute. in process: the cases meant. They ran at other moments than the calls, so a part",
    "may come out below zero: that much is the machine's noise.",
)
_UNTOLD_HOSTING = "in framework"
# Single calls and rounds of the same case differ by up to 20 % on a shared machine; past that the reader is told.
_AGREEING_RATIO = 1.3


@dataclass(frozen=True)
class _Compute:
    """The compute time of a call in parts; None where the run has no case that would tell."""

    model_s: float | None = None
    framework_s: float | None = None
    hosting_s: float | None = None
    cases: tuple[str, ...] = ()


def call_parts_lines(cases: Sequence[MeasuredCase]) -> list[str]:
    """
    Take the calls of one model's services apart.

    Args:
        cases: What was measured on one model, in any order.

    Returns:
        A table with a line per service and batch size; CALL_PARTS_LEGEND says what its columns are. Nothing if no
        service told its times.
    """
    records = sorted((case.record for case in cases), key=lambda record: record.batch_size)
    rows, notes, batch_size = [], [], 0
    for record in records:
        if is_taken_apart(record):
            shown = str(record.batch_size) if record.batch_size != batch_size else ""
            rows.append((shown, record.backend + other_model_suffix(record), *_cells(record, records)))
            notes += _disagreement(record)
            batch_size = record.batch_size
    if not rows:
        return []
    table = tabulate(rows, _HEADERS, tablefmt="simple", disable_numparse=True, colalign=_ALIGNMENT)
    return ["", "where a call's time goes", *table.splitlines(), *notes]


def missing_cases_lines(cases: Sequence[MeasuredCase]) -> list[str]:
    """
    Name the backends without which calls could not be taken apart further.

    Args:
        cases: What was measured, on any models.

    Returns:
        A line, or nothing if none is missing.
    """
    measured = {case.record.backend for case in cases}
    wanted: dict[str, None] = {}
    for record in (case.record for case in cases):
        if is_taken_apart(record) and record.answers == VERIFIED and not record.backend.startswith("remote-"):
            wanted |= dict.fromkeys((_engine(record), _null_service(record)))
    missing = [name for name in wanted if name and name not in measured]
    return [f"to tell more of these apart, add to --backends: {','.join(missing)}"] if missing else []


def is_taken_apart(record: CaseRecord) -> bool:
    """Return whether service and client both told their parts of a call."""
    return record.service_compute_s is not None and record.client_wait_s is not None


def _cells(record: CaseRecord, records: Sequence[CaseRecord]) -> tuple[str, ...]:
    """Return the cells of one service's line from `call` on."""
    compute = _compute_parts(record, records)
    null = next((other for other in records if _is_null_of(other, record)), None)
    parts = (compute.model_s, compute.framework_s, compute.hosting_s)
    model, framework, hosting = ("" if part is None else _format_part(part) for part in parts)
    return (
        format_duration(_call_s(record)),
        format_duration(record.service_compute_s or 0.0),
        model,
        framework,
        _UNTOLD_HOSTING if framework and not hosting else hosting,
        format_duration(record.service_queue_s or 0.0),
        format_duration(_messages_s(record)),
        _format_part(_transport_s(record)),
        _format_part(_transport_s(null)) if null else "",
        ", ".join(compute.cases),
    )


def _call_s(record: CaseRecord) -> float:
    """Return the whole of the calls taken apart."""
    return sum(part or 0.0 for part in (record.client_encode_s, record.client_wait_s, record.client_decode_s))


def _messages_s(record: CaseRecord) -> float:
    coding = (record.client_encode_s, record.service_decode_s, record.service_encode_s, record.client_decode_s)
    return sum(part or 0.0 for part in coding)


def _transport_s(record: CaseRecord) -> float:
    """Return what neither end accounts for: of the same calls, so never below zero if both tell the truth."""
    return _call_s(record) - _messages_s(record) - (record.service_compute_s or 0.0) - (record.service_queue_s or 0.0)


def _compute_parts(record: CaseRecord, records: Sequence[CaseRecord]) -> _Compute:
    """Take the forward pass apart by what the same and other engines take for it in process."""
    in_process = [other for other in records if _is_like(record, other)]
    if not in_process or record.answers != VERIFIED:
        return _Compute()
    compute_s = record.service_compute_s or 0.0
    fastest = min(in_process, key=lambda other: other.latency_s_per_batch)
    model_s = fastest.latency_s_per_batch
    own = next((other for other in in_process if _is_same_engine(record, other)), None)
    if own is None:
        return _Compute(model_s, compute_s - model_s, None, (fastest.backend,))
    own_s = own.latency_s_per_batch
    cases = tuple(dict.fromkeys((fastest.backend, own.backend)))
    return _Compute(model_s, own_s - model_s, compute_s - own_s, cases)


def _is_like(record: CaseRecord, other: CaseRecord) -> bool:
    """Return whether another case did in process what a service does: right answers, same device, same threads."""
    wanted = record.batch_size, record.device_type, record.device_name, record.facts.get("threads"), VERIFIED
    found = other.batch_size, other.device_type, other.device_name, other.facts.get("threads"), other.answers
    return not other.service and found == wanted


def _is_same_engine(record: CaseRecord, other: CaseRecord) -> bool:
    """Return whether a case in process ran what runs inside the service, in the same version."""
    facts = ("framework_version", "spinning")
    same = all((record.facts.get(fact) or "") == (other.facts.get(fact) or "") for fact in facts)
    return same and other.backend == _engine(record)


def _engine(record: CaseRecord) -> str:
    """Return the in-process backend that a service says it is built around; empty if it does not say."""
    return str(record.facts.get("service_backend", ""))


def _null_service(record: CaseRecord) -> str:
    """Return the service that computes nothing, in a service's protocol."""
    return f"null-{record.backend.rpartition('-')[2]}"


def _is_null_of(other: CaseRecord, record: CaseRecord) -> bool:
    """Return whether a case is what the same messages cost a service that computes nothing."""
    same = (other.backend, other.batch_size) == (_null_service(record), record.batch_size)
    return same and other is not record and is_taken_apart(other)


def _format_part(part_s: float) -> str:
    """Return a difference of two times; one below zero with what it is."""
    if part_s == 0.0:
        return "0"
    return format_duration(part_s) if part_s > 0.0 else f"-{format_duration(-part_s)} (noise)"


def _disagreement(record: CaseRecord) -> list[str]:
    """Return a line if the calls taken apart were not like those of the rounds."""
    call_s, round_s = _call_s(record), record.latency_s_per_batch
    if max(call_s, round_s) <= _AGREEING_RATIO * min(call_s, round_s):
        return []
    return [
        f"{record.backend} at batch size {record.batch_size}: these calls took {format_duration(call_s)}, the median"
        f" round above {format_duration(round_s)} per call; its parts may differ as much"
    ]
