"""Where a call through a service spends its time, as far as service, client and the other cases of the run can tell."""

from collections.abc import Sequence

from tabulate import tabulate

from runoff.records.schema import VERIFIED, CaseRecord
from runoff.report.measured import MeasuredCase, other_model_suffix
from runoff.units import format_duration

_HEADERS = (
    "batch",
    "service",
    "per call",
    "compute",
    "= model",
    "+ framework",
    "queue",
    "messages",
    "transport",
    "null",
)
_ALIGNMENT = ("right", "left", *["right"] * 8)
CALL_PARTS_LEGEND = (
    "compute, queue: timed by the service; messages: encoding and decoding, timed by service and client; all medians",
    "of calls taken apart after the rounds. transport: the rest of a call: gRPC, threads, sockets. null: a whole call",
    "of the same protocol's service that computes nothing. model: the fastest case in process on a device of that",
    "type; framework: compute less that.",
)


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
    rows, batch_size = [], 0
    for record in records:
        if record.service_compute_s is not None:
            shown = str(record.batch_size) if record.batch_size != batch_size else ""
            rows.append((shown, record.backend + other_model_suffix(record), *_parts(record, records)))
            batch_size = record.batch_size
    if not rows:
        return []
    table = tabulate(rows, _HEADERS, tablefmt="simple", disable_numparse=True, colalign=_ALIGNMENT)
    return ["", "where a call's time goes", *table.splitlines()]


def _parts(record: CaseRecord, records: Sequence[CaseRecord]) -> tuple[str, ...]:
    """Return the cells of one service's line from `per call` on."""
    compute_s, queue_s = record.service_compute_s or 0.0, record.service_queue_s or 0.0
    coding = (record.client_encode_s, record.client_decode_s, record.service_decode_s, record.service_encode_s)
    messages_s = sum(part or 0.0 for part in coding)
    transport_s = record.latency_s_per_batch - compute_s - queue_s - messages_s
    model_s, null_s = _model_s(record, records), _null_s(record, records)
    framework_s = None if model_s is None else compute_s - model_s
    parts = (compute_s, model_s, framework_s, queue_s, messages_s, transport_s, null_s)
    return (
        format_duration(record.latency_s_per_batch),
        *("" if part is None else format_duration(part) for part in parts),
    )


def _model_s(record: CaseRecord, records: Sequence[CaseRecord]) -> float | None:
    """Return the fastest right answer in process on the same kind of device; None if there is none, or no model ran."""
    wanted = record.batch_size, record.device_type, VERIFIED
    in_process = [
        other.latency_s_per_batch
        for other in records
        if not other.service and (other.batch_size, other.device_type, other.answers) == wanted
    ]
    return min(in_process) if in_process and record.answers == VERIFIED else None


def _null_s(record: CaseRecord, records: Sequence[CaseRecord]) -> float | None:
    """Return what the null service of the same protocol took; None if it was not measured, or is this one."""
    null = f"null-{record.backend.rpartition('-')[2]}"
    found = (other for other in records if (other.backend, other.batch_size) == (null, record.batch_size))
    return next((other.latency_s_per_batch for other in found if other is not record), None)
