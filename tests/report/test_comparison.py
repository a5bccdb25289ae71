"""The suite's table answers: what did the work, how fast, and from which batch size does the service win."""

from runoff.records.schema import COMPUTES_NOTHING, OTHER_MODEL
from runoff.report.comparison import comparison_lines
from runoff.report.measured import MeasuredCase
from tests.support.records import measured_case


def _text(*cases: MeasuredCase) -> str:
    return "\n".join(comparison_lines(cases))


def _race(*service_latencies_s: float) -> str:
    """Return the report of ONNX Runtime at 1 ms against a service at growing batch sizes."""
    sizes = [4**power for power in range(len(service_latencies_s))]
    in_process = [measured_case("onnxruntime-cpu", size) for size in sizes]
    service = [measured_case("tensorflow-grpc", n, t) for n, t in zip(sizes, service_latencies_s, strict=True)]
    return _text(*in_process, *service)


def test_service_on_a_cpu_is_called_cpu() -> None:
    """A number from a CPU is never called a GPU's."""
    assert "CPU (ONNX Runtime, in process) against CPU (TensorFlow service)" in _race(2e-3)


def test_service_on_a_gpu_is_called_gpu() -> None:
    """And the GPU is named."""
    gpu = measured_case("tensorflow-grpc", device_type="gpu", device_name="NVIDIA X")
    text = _text(measured_case(), gpu)
    assert "against GPU (TensorFlow service)" in text
    assert "GPU: NVIDIA X" in text


def test_service_wins_from_the_batch_size_after_which_it_never_loses() -> None:
    """A lucky win at a small size that is lost again at a larger one is no crossover."""
    assert "tensorflow-grpc wins from batch size 16 on" in _race(0.5e-3, 2e-3, 0.5e-3, 0.25e-3)


def test_service_that_never_wins_is_said_with_its_best() -> None:
    """Not winning is an answer too."""
    assert "does not win up to batch size 4; it comes nearest at batch size 4 with 0.50×" in _race(4e-3, 2e-3)


def test_win_within_the_noise_is_no_win() -> None:
    """The interval's lower end decides, not the estimate."""
    assert "does not win" in _race(0.9999e-3)


def test_speedup_carries_its_interval() -> None:
    """A ratio without its uncertainty invites wrong conclusions."""
    assert "2.00× [1.9" in _race(0.5e-3)


def test_null_service_gets_no_speedup() -> None:
    """It computes nothing, so it wins nothing."""
    null = measured_case("null-grpc", latency_s=1e-6, answers=COMPUTES_NOTHING, worst_error=None)
    assert "wins" not in _text(measured_case(), null)


def test_every_line_about_another_model_says_so() -> None:
    """Row, title and conclusion."""
    other = measured_case("remote-grpc", answers=OTHER_MODEL, worst_error=None)
    lines = comparison_lines([measured_case(), other])
    about = [line for line in lines if "remote-grpc" in line]
    assert len(about) == 3
    assert all("another model" in line for line in about)


def test_table_without_onnxruntime_still_prints() -> None:
    """`--backends numpy` compares nothing and shows its times."""
    text = _text(measured_case("numpy"))
    assert "1.00 ms" in text
    assert "against" not in text


def test_ill_conditioned_model_is_told_beside_its_error() -> None:
    """Where float32 may move an answer by a third, a small error proves little."""
    assert "error 1.0e-08 (float32 allows 0.33)" in _text(measured_case(allowed_error=0.333))


def test_service_that_does_not_tell_who_it_is_is_said_to_be_taken_at_its_word() -> None:
    """Nothing would show that another took its place during the run."""
    words = "does not tell who it is"
    untold = measured_case("remote-oip", facts={"service_tells_identity": False})
    told = measured_case("tensorflow-grpc", facts={"service_tells_identity": True})
    assert ["remote-oip"] == [line.split()[0] for line in comparison_lines([untold, told]) if words in line]
