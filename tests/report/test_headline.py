"""The headline that sums up a model's result. It must contain "faster" only if the confidence interval supports it."""

import numpy as np
import pytest

from runoff.records.schema import COMPUTES_NOTHING, OTHER_MODEL, UNVERIFIED
from runoff.report.headline import headlines
from runoff.report.measured import MeasuredCase
from runoff.report.speedup import service_speedups
from tests.support.records import case_record, measured_case


def _headlines(cases: list[MeasuredCase]) -> list[str]:
    """Return the headlines for the cases of one model."""
    return headlines(cases, service_speedups(cases))


def _race(*service_latencies_s: float) -> list[str]:
    """Return the headlines for ONNX Runtime (1 ms per call) and a service (given latencies) at batch sizes 1, 4, 16."""
    sizes = [4**power for power in range(len(service_latencies_s))]
    in_process = [measured_case("onnxruntime-cpu", size) for size in sizes]
    service = [measured_case("tensorflow-grpc", n, t) for n, t in zip(sizes, service_latencies_s, strict=True)]
    return _headlines([*in_process, *service])


def _noisy_case(backend: str, batch_size: int, latency_s: float) -> MeasuredCase:
    """Make a case with noisy rounds: pseudo-random durations within 50 % of `latency_s`, the same in every test run."""
    rounds = latency_s * np.random.default_rng(batch_size).uniform(0.5, 1.5, size=20)
    return MeasuredCase(case_record(backend, batch_size, float(np.median(rounds))), rounds)


SERVICE = "the TensorFlow service"
PROCESS = "ONNX Runtime in process"


@pytest.mark.parametrize(
    ("service_latencies_s", "expected"),
    [
        pytest.param([4e-3], f"{PROCESS} is 4.00× faster than {SERVICE} at batch 1", id="one-batch-size"),
        pytest.param(
            [4e-3, 2e-3],
            f"{PROCESS} is 4.00× faster than {SERVICE} at batch 1 and 2.00× at batch 4; the service never wins",
            id="service-never-wins",
        ),
        pytest.param(
            [0.5e-3, 0.25e-3],
            f"{SERVICE} is 2.00× faster than {PROCESS} at batch 1 and 4.00× at batch 4;"
            " the service wins at every batch size",
            id="service-always-wins",
        ),
        pytest.param(
            [0.5e-3, 2e-3],
            f"{SERVICE} is 2.00× faster than {PROCESS} at batch 1;"
            f" {PROCESS} is 2.00× faster than {SERVICE} at batch 4; the service wins only at batch 1",
            id="service-wins-small-batches",
        ),
        pytest.param(
            [2e-3, 0.5e-3, 2e-3],
            f"{PROCESS} is 2.00× faster than {SERVICE} at batch 1 and 2.00× at batch 16;"
            " the service wins only at batch 4",
            id="service-wins-in-the-middle",
        ),
    ],
)
def test_result_of_a_service_is_stated(service_latencies_s: list[float], expected: str) -> None:
    """Users ask which side is faster at the smallest and the largest batch size, and where the service wins."""
    assert [f"net: {expected}"] == _race(*service_latencies_s)


def test_service_wins_from_the_batch_size_after_which_it_never_loses() -> None:
    """A batch size is not the crossover point if the service loses again at a larger batch size."""
    [line] = _race(0.5e-3, 2e-3, 0.5e-3, 0.25e-3)
    assert "the service wins from batch 16 on (2.00× [1.9" in line
    assert line.endswith(" and at batch 1")


def test_equal_times_support_no_winner() -> None:
    """A side wins only if the speedup's confidence interval excludes 1; the estimate alone proves nothing."""
    [line] = _race(0.9999e-3)
    assert line.startswith(
        f"net: no certain difference between {PROCESS} and {SERVICE}: speedup of the service 1.00× [0.9"
    )
    assert "faster" not in line


def test_uncertain_batch_size_is_stated_with_its_interval() -> None:
    """If a speedup's interval contains 1, "never wins" would claim more than the measurement supports."""
    [line] = _race(2e-3, 0.9999e-3)
    assert (
        "2.00× faster than the TensorFlow service at batch 1; the service never certainly wins (best: 1.00× [" in line
    )


def test_noisy_rounds_support_no_winner() -> None:
    """If the rounds vary by 50 %, a difference of 10 % may be chance, so no winner is named."""
    cases = [_noisy_case("onnxruntime-cpu", 1, 1e-3), _noisy_case("tensorflow-grpc", 1, 1.1e-3)]
    [line] = _headlines(cases)
    assert "no certain difference" in line


def test_two_uncertain_ends_are_stated_with_both_intervals() -> None:
    """An undecided comparison is a result too, so the headline reports it instead of leaving the batch size out."""
    [line] = _race(0.9999e-3, 1.0001e-3)
    assert " at batch 1 and 1.00× [" in line
    assert "faster" not in line


def test_run_without_a_service_names_the_fastest_backend() -> None:
    """If no service was timed, users still want to know which backend is the fastest in process."""
    cases = [measured_case("numpy", 1, 2e-3), measured_case("onnxruntime-cpu", 1), measured_case("numpy", 8, 3e-3)]
    expected = (
        "net: onnxruntime-cpu is the fastest backend with 1.00 ms per call at batch 1;"
        " numpy takes 3.00 ms per call at batch 8; no service that runs this model was timed"
    )
    assert [expected] == _headlines(cases)


def test_fastest_backend_within_the_noise_is_not_called_fastest() -> None:
    """If the intervals of two backends overlap, either may be faster, so neither is called the fastest."""
    [line] = _headlines([measured_case("numpy", 1, 1.0001e-3), measured_case("onnxruntime-cpu", 1)])
    expected = "at batch 1 between the fastest backends onnxruntime-cpu (1.00 ms per call) and numpy (1.00 ms)"
    assert f"net: no certain difference {expected};" in line


@pytest.mark.parametrize("others", [{}, {"numpy": 1e-2}], ids=["alone", "fastest"])
def test_same_backend_at_both_batch_sizes_is_named_once(others: dict[str, float]) -> None:
    """If the fastest backend is the same at both batch sizes, a second mention of its name adds nothing."""
    backends = {"onnxruntime-cpu": 1e-3, **others}
    [line] = _headlines([measured_case(name, size, backends[name] * size) for name in backends for size in (1, 8)])
    start = "is the fastest backend with" if others else "takes"
    assert f"net: onnxruntime-cpu {start} 1.00 ms per call at batch 1 and 8.00 ms per call at batch 8; no" in line


def test_unverified_model_is_marked_in_every_headline() -> None:
    """Somebody who reads only the headline must see that the timed outputs may be wrong."""
    [line] = _headlines([measured_case(answers=UNVERIFIED)])
    assert line.startswith("net (not verified against a reference): onnxruntime-cpu takes 1.00 ms")


def test_run_of_services_alone_says_what_is_missing() -> None:
    """Speedups are relative to onnxruntime-cpu, so a run without it must explain why there is no speedup."""
    [line] = _headlines([measured_case("tensorflow-grpc", 1)])
    assert "tensorflow-grpc takes 1.00 ms per call at batch 1; onnxruntime-cpu was not timed" in line


def test_service_at_other_batch_sizes_is_not_compared() -> None:
    """A speedup compares two times at the same batch size, so different batch sizes give no speedup."""
    [line] = _headlines([measured_case("onnxruntime-cpu", 1), measured_case("tensorflow-grpc", 8)])
    assert line.endswith("no service was timed at a batch size of onnxruntime-cpu")


def test_null_service_gets_no_result() -> None:
    """A null service computes nothing, so it cannot win."""
    null = measured_case("null-grpc", latency_s=1e-6, answers=COMPUTES_NOTHING, worst_error=None)
    assert ["net: no backend that computes this model was timed"] == _headlines([null])
    assert "wins" not in _headlines([measured_case(), null])[0]


def test_service_that_runs_another_model_gets_no_result() -> None:
    """A service that runs a different network shows nothing about this model, so the headline leaves its times out."""
    other = measured_case("remote-grpc", latency_s=1e-6, answers=OTHER_MODEL, worst_error=None)
    lines = _headlines([measured_case(), other])
    assert "net: remote-grpc runs another model, so its times are no result for this model" == lines[-1]
    assert "remote-grpc" not in lines[0]
    assert lines[0].endswith("no service that runs this model was timed")


def test_two_services_of_one_framework_are_told_apart() -> None:
    """If there are two TensorFlow services, a headline about "the TensorFlow service" alone is ambiguous."""
    services = [measured_case("tensorflow-grpc", 1, 2e-3), measured_case("tensorflow-oip", 1, 4e-3)]
    lines = _headlines([measured_case(), *services])
    assert ["(tensorflow-grpc)", "(tensorflow-oip)"] == [line.split()[-4] for line in lines]


def test_gpu_is_named_only_where_it_did_the_work() -> None:
    """Readers must not mistake a time measured on a CPU for a time measured on a GPU."""
    gpu = measured_case("tensorflow-grpc", device_type="gpu", device_name="NVIDIA X")
    assert "the TensorFlow service on the GPU" in _headlines([measured_case(), gpu])[0]
    assert "GPU" not in _headlines([measured_case(), measured_case("tensorflow-grpc")])[0]
