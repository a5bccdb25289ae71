"""The report of a run: results first, then the devices and a table per model."""

import re
from typing import Any

from runoff.records.schema import COMPUTES_NOTHING, OTHER_MODEL, UNVERIFIED
from runoff.report.measured import MeasuredCase
from runoff.report.run_report import comparison_lines
from runoff.report.tables import WIDTH
from tests.support.records import measured_case


def _text(*cases: MeasuredCase, detailed: bool = False) -> str:
    return "\n".join(comparison_lines(cases, detailed=detailed))


def _race(*service_latencies_s: float) -> str:
    """Return the report for ONNX Runtime (1 ms per call) and a service (the given latencies) at growing batch sizes."""
    sizes = [4**power for power in range(len(service_latencies_s))]
    in_process = [measured_case("onnxruntime-cpu", size) for size in sizes]
    service = [measured_case("tensorflow-grpc", n, t) for n, t in zip(sizes, service_latencies_s, strict=True)]
    return _text(*in_process, *service)


def _default_run() -> list[MeasuredCase]:
    """Make the cases of a default run: four models, five batch sizes and four backends."""
    answers: dict[str, dict[str, Any]] = {"null-grpc": {"answers": COMPUTES_NOTHING, "worst_error": None}}
    return [
        measured_case(backend, size, model=f"rps_h256_{number}", **answers.get(backend, {}))
        for number in range(4)
        for size in (1, 8, 64, 256, 1024)
        for backend in ("onnxruntime-cpu", "numpy", "tensorflow-grpc", "null-grpc")
    ]


def test_results_come_first() -> None:
    """Many readers stop after a few lines, so the first lines must contain the result of each model."""
    lines = comparison_lines(_default_run(), detailed=False)
    starts = [line for line in lines[: lines.index("")] if not line.startswith(" ")]
    assert [f"rps_h256_{number}" for number in range(4)] == [line.partition(":")[0] for line in starts]


def test_default_run_fits_on_two_screens() -> None:
    """The report of 80 cases must leave room for pytest's own lines and the comparison with an earlier run."""
    lines = comparison_lines(_default_run(), detailed=False)
    assert len(lines) <= 60
    assert max(map(len, lines)) <= WIDTH


def test_table_of_many_backends_stays_narrow() -> None:
    """Columns for ten services do not fit into a terminal's width, so further tables below show the others."""
    names = [f"engine-{letter}-grpc" for letter in "abcdefghij"]
    cases = [measured_case(name, size) for name in ("onnxruntime-cpu", *names) for size in (1, 8)]
    lines = comparison_lines(cases, detailed=False)
    assert max(map(len, lines)) <= WIDTH
    headers = [re.split(r"\s{2,}", line.strip()) for line in lines if line.lstrip().startswith("batch  ")]
    assert all(header[0] == "batch" for header in headers)
    columns = ["onnxruntime-cpu", *names, *(f"speedup of {name} [95 %]" for name in names)]
    assert columns == [column for header in headers for column in header[1:]]
    assert ["1", "8"] * len(headers) == [line.split()[0] for line in lines if re.match(r"\s+[18]  ", line)]


def test_two_services_keep_the_layout_of_one_service() -> None:
    """A second service must not change the columns that readers know from runs with one service."""
    names, null = ["onnxruntime-cpu", "numpy", "tensorflow-grpc", "tensorflow-oip"], "null-grpc"
    cases = [*map(measured_case, names), measured_case(null, answers=COMPUTES_NOTHING, worst_error=None)]
    lines = comparison_lines(cases, detailed=False)
    first, second = (re.split(r"\s{2,}", line.strip()) for line in lines if "batch  " in line)
    assert ["batch", *names, null] == first
    assert ["batch", *(f"speedup of {name} [95 %]" for name in names[2:])] == second


def test_failed_cases_are_counted_beside_the_headline() -> None:
    """If the cases of a service failed, a headline about the other cases alone would look like the whole result."""
    lines = comparison_lines([measured_case()], 1, detailed=False)
    assert "the result is incomplete: 1 case failed" == lines[1]
    assert "the result is incomplete: 5 cases failed" == comparison_lines([measured_case()], 5, detailed=False)[1]


def test_report_of_a_null_service_alone_has_no_empty_section() -> None:
    """A null service computes on no device, so there is no section about devices and no second blank line."""
    null = measured_case("null-grpc", latency_s=1e-6, answers=COMPUTES_NOTHING, worst_error=None)
    assert "\n\n\n" not in _text(null)


def test_service_on_a_cpu_is_called_cpu() -> None:
    """Readers must not mistake a time measured on a CPU for a time measured on a GPU."""
    assert "CPU (ONNX Runtime, in process) against CPU (TensorFlow service)" in _race(2e-3)


def test_service_on_a_gpu_is_called_gpu() -> None:
    """A time measured on an unknown GPU cannot be interpreted, so the report contains the GPU's name."""
    gpu = measured_case("tensorflow-grpc", device_type="gpu", device_name="NVIDIA X")
    text = _text(measured_case(), gpu)
    assert "against GPU (TensorFlow service)" in text
    assert "GPU: NVIDIA X" in text


def test_speedup_carries_its_interval() -> None:
    """A ratio without its uncertainty invites wrong conclusions, so its interval is printed too."""
    assert "2.00× [1.9" in _race(0.5e-3)


def test_null_service_gets_no_speedup() -> None:
    """A null service computes nothing, so the table shows its time but no speedup."""
    null = measured_case("null-grpc", latency_s=1e-6, answers=COMPUTES_NOTHING, worst_error=None)
    text = _text(measured_case(), null)
    assert "speedup" not in text.replace("Speedup", "speedup")
    assert "null-grpc: computes nothing" in text


def test_every_line_about_another_model_says_so() -> None:
    """Somebody who reads a single line about `remote-grpc` must see that it runs a different model."""
    other = measured_case("remote-grpc", answers=OTHER_MODEL, worst_error=None)
    for detailed in (False, True):
        about = [
            line for line in comparison_lines([measured_case(), other], detailed=detailed) if "remote-grpc" in line
        ]
        assert len(about) >= 2
        assert all("another model" in line for line in about)


def test_table_without_onnxruntime_still_prints() -> None:
    """With `--backends numpy` there is no reference for a speedup, but the times are still useful."""
    text = _text(measured_case("numpy"))
    assert "1.00 ms" in text
    assert "against" not in text


def test_largest_error_of_a_model_is_shown_with_its_case() -> None:
    """The compact table has no column for errors, so the largest error is printed below the table."""
    cases = [measured_case(), measured_case("numpy", 8, worst_error=3e-8)]
    assert "largest error 3.0e-08, numpy at batch 8" in _text(*cases)


def test_unverified_answers_are_marked() -> None:
    """A backend with unverified outputs may compute something else, so its time must not look like the others."""
    assert "onnxruntime-cpu: not verified against a reference" in _text(measured_case(answers=UNVERIFIED))


def test_case_that_was_not_steady_is_marked() -> None:
    """If a case's duration was still changing when its rounds began, its time is unreliable and must be marked."""
    assert "1.00 ms*" in _text(measured_case(steady=False))
    assert "* not steady when its warm-up ended" in _text(measured_case(steady=False))
    assert "*" not in _text(measured_case())


def test_detailed_table_has_throughput_and_the_answers_of_each_case() -> None:
    """The option -v prints a detailed table with the numbers that the compact table leaves out."""
    text = _text(measured_case(batch_size=4), detailed=True)
    assert "4.00k" in text
    assert "error 1.0e-08" in text


def test_ill_conditioned_model_is_marked_beside_its_error() -> None:
    """If float32 rounding may change an output by 0.33, a small error proves little, so the 0.33 is shown beside it."""
    assert "error 1.0e-08 (float32 allows 0.33)" in _text(measured_case(allowed_error=0.333))


def test_service_without_identity_is_marked() -> None:
    """A service that reports no identity could be replaced unnoticed during the run, so the report mentions it."""
    words = "does not report its identity"
    unknown = measured_case("remote-oip", facts={"service_tells_identity": False})
    known = measured_case("tensorflow-grpc", facts={"service_tells_identity": True})
    lines = comparison_lines([unknown, known], detailed=False)
    assert ["remote-oip"] == [line.split()[0] for line in lines if words in line]
