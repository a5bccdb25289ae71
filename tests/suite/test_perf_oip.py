"""The perf suite over the Open Inference Protocol, through services of its own and one that already runs."""

from pathlib import Path

import pytest

from runoff.service.launcher import launch
from tests.support.perf_runs import PerfRun


@pytest.fixture
def perf(tmp_path: Path) -> PerfRun:
    """A run's surroundings."""
    return PerfRun(tmp_path)


def test_both_protocols_of_an_engine_are_timed_through_one_service(perf: PerfRun) -> None:
    """So that their difference is the messages', and TensorFlow is started once."""
    done = perf.run("--backends", "onnxruntime-oip,onnxruntime-grpc", "--batch-sizes", "8")
    assert 0 == done.returncode, done.stdout + done.stderr
    records = {b["extra_info"]["runoff"]["backend"]: b["extra_info"]["runoff"] for b in perf.saved()["benchmarks"]}
    assert ["float64 reference"] * 2 == [record["answers"] for record in records.values()]
    assert 1 == len({record["facts"]["service_address"] for record in records.values()})
    assert ["ONNX Runtime"] * 2 == [record["framework_label"] for record in records.values()]


def test_running_service_is_timed_under_the_models_own_name(perf: PerfRun) -> None:
    """Without --oip-model the server is asked for the model by the name it has here."""
    with launch("numpy", [perf.model]) as service:
        options = ["--oip-addr", service.address, "--batch-sizes", "2"]
        done = perf.run("--backends", "remote-oip", *options)
    assert 0 == done.returncode, done.stdout + done.stderr
    [benchmark] = perf.saved()["benchmarks"]
    record = benchmark["extra_info"]["runoff"]
    assert ("float64 reference", "cpu") == (record["answers"], record["device_type"])


def test_model_that_the_server_does_not_have_is_named(perf: PerfRun) -> None:
    """With those that it has."""
    with launch("numpy", [perf.model]) as service:
        options = ["--oip-addr", service.address, "--oip-model", "larger", "--batch-sizes", "2"]
        done = perf.run("--backends", "remote-oip", *options)
    assert pytest.ExitCode.TESTS_FAILED == done.returncode
    assert "no model named 'larger' is loaded; loaded: 'small'" in done.stdout
