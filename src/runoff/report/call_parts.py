"""The parts of a call to a service: computing, waiting, encoding and decoding messages, and transport."""

from collections.abc import Sequence

from runoff.records.schema import VERIFIED, CaseRecord
from runoff.report.measured import MeasuredCase, other_model_suffix
from runoff.report.tables import table_lines
from runoff.units import format_duration

# Read from left to right, the headers form an equation that shows which parts add up to which sum.
_HEADERS = (
    "batch", "service", "call", "= compute", "(model", "+ framework", "+ hosting)", "+ queue", "+ messages",
    "+ transport", "null's", "in process",
)  # fmt: skip
CALL_PARTS_LEGEND = (
    "call = compute + queue + messages + transport, measured with single calls after the rounds; each number is the",
    "mean of the middle half of the calls. The service times compute (the forward pass) and queue (waiting for the",
    "model). Service and client both time messages (encoding and decoding). transport is the rest: gRPC, threads,",
    "sockets. null's: transport of the null service, which computes nothing, over the same protocol.",
    "compute = model + framework + hosting. model: the fastest case in process on the same device with as many",
    "threads. framework: extra time of the service's engine when it runs in process. hosting: further extra time of",
    "the same engine inside the service. in process: the cases used for this. They ran at other moments than the",
    "calls, so noise of the machine can make a part negative.",
)
# Single calls are measured after the rounds. A note warns if calls and rounds differ by more than this factor.
_AGREEING_RATIO = 1.3


def call_parts_lines(cases: Sequence[MeasuredCase]) -> list[str]:
    """
    Return a table that splits the duration of calls to one model's services into parts.

    Returns:
        The table, with a row per service and batch size; CALL_PARTS_LEGEND explains it. The list is empty if no service
        reported its times.
    """
    records = sorted((case.record for case in cases), key=lambda record: record.batch_size)
    rows, notes, batch_size = [], [], 0
    for record in records:
        if has_call_parts(record):
            shown = str(record.batch_size) if record.batch_size != batch_size else ""
            rows.append((shown, record.backend + other_model_suffix(record), *_cells(record, records)))
            notes += _disagreement(record)
            batch_size = record.batch_size
    if not rows:
        return []
    return ["", "where a call's time goes", *table_lines(_HEADERS, rows, "rlrrrrrrrrrl"), *notes]


def missing_cases_lines(cases: Sequence[MeasuredCase]) -> list[str]:
    """Return a line that lists the backends whose times would fill empty cells, or no line if there are none."""
    measured = {case.record.backend for case in cases}
    wanted: dict[str, None] = {}
    for record in (case.record for case in cases):
        if has_call_parts(record) and record.answers == VERIFIED and not record.backend.startswith("remote-"):
            wanted |= dict.fromkeys((_engine(record), _null_service(record)))
    missing = [name for name in wanted if name and name not in measured]
    return [f"to see more parts, add to --backends: {','.join(missing)}"] if missing else []


def has_call_parts(record: CaseRecord) -> bool:
    """Return whether both the service and the client recorded how long the parts of a call took."""
    return record.service_compute_s is not None and record.client_wait_s is not None


def _cells(record: CaseRecord, records: Sequence[CaseRecord]) -> tuple[str, ...]:
    """Return the table cells of one service's row, starting with the column `call`."""
    model, framework, hosting, in_process = _compute_cells(record, records)
    null = next((other for other in records if _is_null_of(other, record)), None)
    return (
        format_duration(_call_s(record)),
        format_duration(record.service_compute_s or 0.0),
        model,
        framework,
        hosting,
        format_duration(record.service_queue_s or 0.0),
        format_duration(_messages_s(record)),
        _format_part(_transport_s(record)),
        _format_part(_transport_s(null)) if null else "",
        in_process,
    )


def _call_s(record: CaseRecord) -> float:
    """Return the whole duration of a call."""
    return sum(part or 0.0 for part in (record.client_encode_s, record.client_wait_s, record.client_decode_s))


def _messages_s(record: CaseRecord) -> float:
    """Return the time for encoding and decoding messages in the client and in the service."""
    coding = (record.client_encode_s, record.service_decode_s, record.service_encode_s, record.client_decode_s)
    return sum(part or 0.0 for part in coding)


def _transport_s(record: CaseRecord) -> float:
    """Return the time that neither the client nor the service accounts for: gRPC, threads and sockets."""
    return _call_s(record) - _messages_s(record) - (record.service_compute_s or 0.0) - (record.service_queue_s or 0.0)


def _compute_cells(record: CaseRecord, records: Sequence[CaseRecord]) -> tuple[str, str, str, str]:
    """
    Split the service's compute time into parts, using the times of cases that ran the model in process.

    Returns:
        Cells of the columns `model`, `framework`, `hosting` and `in process`. They are empty if no case is suitable.
    """
    in_process = [other for other in records if _is_in_process_match(record, other)]
    if not in_process or record.answers != VERIFIED:
        return "", "", "", ""
    compute_s = record.service_compute_s or 0.0
    fastest = min(in_process, key=lambda other: other.latency_s_per_batch)
    model_s = fastest.latency_s_per_batch
    own = next((other for other in in_process if _is_same_engine(record, other)), None)
    if own is None:
        return format_duration(model_s), _format_part(compute_s - model_s), "in framework", fastest.backend
    own_s = own.latency_s_per_batch
    cases = ", ".join(dict.fromkeys((fastest.backend, own.backend)))
    return format_duration(model_s), _format_part(own_s - model_s), _format_part(compute_s - own_s), cases


def _is_in_process_match(record: CaseRecord, other: CaseRecord) -> bool:
    """Return whether `other` ran in process with the same batch size, device and threads, and was verified."""
    wanted = record.batch_size, record.device_type, record.device_name, record.facts.get("threads"), VERIFIED
    found = other.batch_size, other.device_type, other.device_name, other.facts.get("threads"), other.answers
    return not other.service and found == wanted


def _is_same_engine(record: CaseRecord, other: CaseRecord) -> bool:
    """Return whether the in-process case `other` used the same engine, version and settings as the service."""
    facts = ("framework_version", "spinning")
    same = all((record.facts.get(fact) or "") == (other.facts.get(fact) or "") for fact in facts)
    return same and other.backend == _engine(record)


def _engine(record: CaseRecord) -> str:
    """Return the in-process backend that a service reports as its engine, or an empty string if it reports none."""
    return str(record.facts.get("service_backend", ""))


def _null_service(record: CaseRecord) -> str:
    """Return the name of the null service that uses the same protocol as the service in `record`."""
    return f"null-{record.backend.rpartition('-')[2]}"


def _is_null_of(other: CaseRecord, record: CaseRecord) -> bool:
    """Return whether `other` measured the null service with the protocol and batch size of `record`."""
    same = (other.backend, other.batch_size) == (_null_service(record), record.batch_size)
    return same and other is not record and has_call_parts(other)


def _format_part(part_s: float) -> str:
    """Format a difference of two times. A negative difference is marked as noise."""
    if part_s == 0.0:
        return "0"
    return format_duration(part_s) if part_s > 0.0 else f"-{format_duration(-part_s)} (noise)"


def _disagreement(record: CaseRecord) -> list[str]:
    """Return one warning if the single calls were much slower or faster than the rounds, otherwise none."""
    call_s, round_s = _call_s(record), record.latency_s_per_batch
    if max(call_s, round_s) <= _AGREEING_RATIO * min(call_s, round_s):
        return []
    case = f"{record.backend}{other_model_suffix(record)} at batch size {record.batch_size}"
    return [
        f"{case}: these calls took {format_duration(call_s)}, but the median round {format_duration(round_s)} per call;"
        " each part may be off by the same factor"
    ]
