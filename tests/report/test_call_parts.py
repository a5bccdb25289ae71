"""The table that splits a call's duration into parts. Parts without a measurement are empty, and the parts add up."""

from typing import Any

import pytest

from runoff.records.schema import COMPUTES_NOTHING, OTHER_MODEL
from runoff.report.call_parts import call_parts_lines, missing_cases_lines
from runoff.report.measured import MeasuredCase
from runoff.report.run_report import comparison_lines
from tests.support.records import case_record, measured_case

# A call of 1 ms: 100 µs for messages, 7 µs in the queue, 200 µs for computing, and 693 µs (the rest) for transport.
PARTS = {
    "client_encode_s": 10e-6,
    "client_wait_s": 970e-6,
    "client_decode_s": 20e-6,
    "service_decode_s": 30e-6,
    "service_queue_s": 7e-6,
    "service_compute_s": 200e-6,
    "service_encode_s": 40e-6,
}
COMPUTE = ("= compute", "(model", "+ framework", "+ hosting)")
FACTS = case_record().facts


def service(
    backend: str = "tensorflow-grpc", latency_s: float = 1e-3, engine: str = "tensorflow-cpu", **more: Any
) -> MeasuredCase:
    """Make a measured case of a service that reports its engine and the durations of its steps."""
    return measured_case(
        backend, latency_s=latency_s, **(PARTS | {"facts": FACTS | {"service_backend": engine}} | more)
    )


def null(backend: str = "null-grpc", **more: Any) -> MeasuredCase:
    """Make a measured case of the null service, which computes nothing."""
    return service(backend, engine="null", answers=COMPUTES_NOTHING, worst_error=None, **more)


def cells(*cases: MeasuredCase, backend: str = "tensorflow-grpc") -> dict[str, str]:
    """Return the table row of one backend as a dict from column header to cell, without the empty cells."""
    lines = call_parts_lines(cases)
    header, rule = lines[2], lines[3]
    line = next(line for line in lines if f" {backend} " in line).ljust(len(rule))
    starts = [0, *(index + 1 for index, character in enumerate(rule) if character == " " and rule[index + 1] == "-")]
    ends = [*starts[1:], max(len(header), len(line))]
    return {header[a:b].strip(): line[a:b].strip() for a, b in zip(starts, ends, strict=True) if line[a:b].strip()}


def test_note_about_another_model_carries_the_label() -> None:
    """Somebody who reads only this note must see that `remote-grpc` runs a different model."""
    other = service("remote-grpc", latency_s=2e-3, answers=OTHER_MODEL, worst_error=None)
    [note] = call_parts_lines([other])[5:]
    assert note.startswith("remote-grpc (another model) at batch size 1: these calls took")


@pytest.mark.parametrize("protocol", ["grpc", "oip"])
def test_parts_add_up_to_the_call(protocol: str) -> None:
    """The parts add up only if all of them, transport included, come from the same calls and not from the rounds."""
    backend = f"tensorflow-{protocol}"
    found = cells(service(backend, 0.9e-3), backend=backend)
    assert ("1.00 ms", "200 µs", "7.00 µs", "100 µs", "693 µs") == tuple(
        found[name] for name in ("call", "= compute", "+ queue", "+ messages", "+ transport")
    )


def test_calls_that_differ_from_the_rounds_get_a_note() -> None:
    """The report shows a call's duration twice, so readers need an explanation if the two durations differ."""
    [note] = call_parts_lines([service(latency_s=2e-3)])[5:]
    assert "tensorflow-grpc at batch size 1: these calls took 1.00 ms, but the median round 2.00 ms" in note
    assert [] == call_parts_lines([service(latency_s=1.2e-3)])[5:]


def test_engines_own_case_separates_framework_from_hosting() -> None:
    """The model takes 20 µs (the fastest case), the framework 90 - 20 µs, and hosting in a service 200 - 90 µs."""
    fastest, own = measured_case("numpy", latency_s=20e-6), measured_case("tensorflow-cpu", latency_s=90e-6)
    found = cells(service(), measured_case(latency_s=50e-6), own, fastest)
    assert ("200 µs", "20.0 µs", "70.0 µs", "110 µs") == tuple(found[name] for name in COMPUTE)
    assert "numpy, tensorflow-cpu" == found["in process"]


def test_fastest_engine_has_no_framework_part() -> None:
    """The model part is the time of the fastest engine in process, so that engine's own framework part is zero."""
    found = cells(
        service("onnxruntime-oip", engine="onnxruntime-cpu"), measured_case(latency_s=50e-6), backend="onnxruntime-oip"
    )
    assert ("200 µs", "50.0 µs", "0", "150 µs") == tuple(found[name] for name in COMPUTE)
    assert "onnxruntime-cpu" == found["in process"]


def test_framework_contains_hosting_without_the_engines_own_case() -> None:
    """If the engine was not timed in process, framework and hosting cannot be separated, so one cell shows both."""
    found = cells(service(), measured_case(latency_s=20e-6))
    assert ("200 µs", "20.0 µs", "180 µs", "in framework") == tuple(found[name] for name in COMPUTE)
    assert "onnxruntime-cpu" == found["in process"]


def test_without_a_case_in_process_only_reported_times_are_shown() -> None:
    """A part that was not measured must stay empty instead of showing a guess."""
    found = cells(service())
    assert ("200 µs", None, None, None) == tuple(map(found.get, COMPUTE))
    assert "in process" not in found


@pytest.mark.parametrize(
    "other_facts", [{"framework_version": "2"}, {"spinning": True}], ids=["other-version", "spinning"]
)
def test_engine_with_another_version_or_setting_is_not_the_services(other_facts: dict[str, Any]) -> None:
    """If engine versions or settings differ, the engine's time in process is no evidence about the service's time."""
    own = measured_case("tensorflow-cpu", latency_s=90e-6, facts=FACTS | other_facts)
    assert "in framework" == cells(service(), own)["+ hosting)"]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(measured_case("numpy", batch_size=2, latency_s=5e-6), id="other-batch-size"),
        pytest.param(measured_case("torch-cuda", latency_s=5e-6, device_type="gpu"), id="other-device"),
        pytest.param(measured_case("numpy", latency_s=5e-6, device_name="another"), id="other-machine"),
        pytest.param(measured_case("numpy", latency_s=5e-6, facts=FACTS | {"threads": 4}), id="other-threads"),
        pytest.param(measured_case("onnxruntime-cpu", latency_s=5e-6, answers="another model"), id="other-answers"),
        pytest.param(measured_case("remote-grpc", latency_s=5e-6, service=True), id="another-service"),
    ],
)
def test_model_part_needs_a_matching_case(other: MeasuredCase) -> None:
    """A case measured under different conditions would give a misleading model part, so the cells stay empty."""
    assert not set(COMPUTE[1:]) & cells(service(), other).keys()


def test_negative_part_is_called_noise() -> None:
    """Service time minus engine time can be negative, because noise differs between the moments of measurement."""
    own, fastest = measured_case("tensorflow-cpu", latency_s=212e-6), measured_case(latency_s=20e-6)
    assert "-12.0 µs (noise)" == cells(service(), own, fastest)["+ hosting)"]
    assert "-12.0 µs (noise)" == cells(service(), measured_case(latency_s=212e-6))["+ framework"]


def test_null_services_transport_of_the_same_protocol_stands_beside_it() -> None:
    """Transport costs depend on the protocol, so only a null service of the same protocol is comparable."""
    floor = null(client_wait_s=570e-6, service_compute_s=0.0)
    assert "493 µs" == cells(service(), floor)["null's"]
    assert "null's" not in cells(service("tensorflow-oip"), floor, backend="tensorflow-oip")
    assert not {"null's", *COMPUTE[1:]} & cells(floor, measured_case(), backend="null-grpc").keys()


def test_service_that_reports_no_times_has_no_row() -> None:
    """If a service reports no times, only the whole call is known, so the table has no parts to show."""
    assert [] == call_parts_lines([measured_case("remote-grpc"), measured_case()])


def test_missing_backends_are_listed_for_the_option() -> None:
    """Newcomers do not know which backends would fill the empty cells, so a line lists them, ready for --backends."""
    [line] = missing_cases_lines([service(), service("tensorflow-oip"), measured_case(), null()])
    assert line.endswith("--backends: tensorflow-cpu,null-oip")
    assert [] == missing_cases_lines([service(), null(), measured_case("tensorflow-cpu")])
    assert [] == missing_cases_lines([null(), measured_case(), service("remote-grpc")])


def test_call_parts_are_shown_only_in_detail() -> None:
    """The table needs many lines, so a default run leaves it out and -v shows it."""
    lines = comparison_lines([service()], detailed=True)
    assert "where a call's time goes" in lines
    assert "where a call's time goes" not in comparison_lines([service()], detailed=False)
    assert "tensorflow-cpu,null-grpc" in lines[-1]
