"""Where a call's time goes: every column is what its name says, or empty."""

from typing import Any

import pytest

from runoff.records.schema import COMPUTES_NOTHING
from runoff.report.call_parts import call_parts_lines
from runoff.report.comparison import comparison_lines
from runoff.report.measured import MeasuredCase
from tests.support.records import measured_case

PARTS = {
    "client_encode_s": 10e-6,
    "client_decode_s": 20e-6,
    "service_decode_s": 30e-6,
    "service_queue_s": 7e-6,
    "service_compute_s": 200e-6,
    "service_encode_s": 40e-6,
}


def service(backend: str = "tensorflow-grpc", latency_s: float = 1e-3, **more: Any) -> MeasuredCase:
    return measured_case(backend, latency_s=latency_s, **(PARTS | more))


def cells(*cases: MeasuredCase, backend: str = "tensorflow-grpc") -> dict[str, str]:
    """Return one service's line by column; an empty cell is missing."""
    lines = call_parts_lines(cases)
    header, rule = lines[2], lines[3]
    line = next(line for line in lines if f" {backend} " in line)
    starts = [0, *(index + 1 for index, character in enumerate(rule) if character == " " and rule[index + 1] == "-")]
    ends = [*starts[1:], len(header)]
    return {header[a:b].strip(): line[a:b].strip() for a, b in zip(starts, ends, strict=True) if line[a:b].strip()}


def test_parts_add_up_to_the_call() -> None:
    """Compute, queue, messages of both sides, and the rest."""
    found = cells(service())
    assert ("1.00 ms", "200 µs", "7.00 µs", "100 µs", "693 µs") == tuple(
        found[name] for name in ("per call", "compute", "queue", "messages", "transport")
    )


def test_framework_is_what_compute_takes_beyond_the_fastest_case_in_process() -> None:
    """Two cases in process: the faster one says what the model itself needs."""
    found = cells(service(), measured_case("numpy", latency_s=50e-6), measured_case(latency_s=20e-6))
    assert ("20.0 µs", "180 µs") == (found["= model"], found["+ framework"])


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(measured_case("numpy", batch_size=2, latency_s=5e-6), id="other-batch-size"),
        pytest.param(measured_case("torch-cuda", latency_s=5e-6, device_type="gpu"), id="other-device"),
        pytest.param(measured_case("onnxruntime-cpu", latency_s=5e-6, answers="another model"), id="other-answers"),
    ],
)
def test_model_is_not_guessed_from_what_is_unlike(other: MeasuredCase) -> None:
    """An empty cell is honest, a number of something else is not."""
    assert not {"= model", "+ framework"} & cells(service(), other).keys()


def test_null_service_of_the_same_protocol_stands_beside_it() -> None:
    """Other messages cost something else."""
    null = service("null-grpc", 400e-6, answers=COMPUTES_NOTHING, worst_error=None)
    assert "400 µs" == cells(service(), null)["null"]
    assert "null" not in cells(service("tensorflow-oip"), null, backend="tensorflow-oip")
    assert not {"null", "= model"} & cells(null, measured_case(), backend="null-grpc").keys()


def test_service_that_tells_nothing_has_no_line() -> None:
    """A foreign one is timed as a whole."""
    assert [] == call_parts_lines([measured_case("remote-grpc"), measured_case()])


def test_table_stands_under_the_comparison() -> None:
    """Where the reader looks."""
    assert "where a call's time goes" in comparison_lines([service()])
