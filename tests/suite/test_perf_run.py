"""The perf suite as a user runs it, on small models: what it measures, refuses, saves and survives."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.support.certificates import make_certificates
from tests.support.perf_runs import ROOT, PerfRun
from tests.support.words import serving


@pytest.fixture
def perf(tmp_path: Path) -> PerfRun:
    """A run's surroundings."""
    return PerfRun(tmp_path)


@pytest.fixture
def other_service(tmp_path: Path) -> Iterator[str]:
    """The address of a service that runs another model: other sizes than any model of the run."""
    words = ["serve", "--engine", "numpy", "--untrained", "64,128,8", "--port", "0"]
    command = [sys.executable, "-m", "runoff", *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout
        line = service.stdout.readline()
        (address,) = re.findall(r"127\.0\.0\.1:\d+", line)
        yield address
        service.terminate()


def test_case_is_verified_timed_and_recorded(perf: PerfRun) -> None:
    """The error stands beside the time, and the speedup can be made of what is saved."""
    done = perf.run("--backends", "onnxruntime-cpu,null-grpc", "--batch-sizes", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    records = {b["extra_info"]["runoff"]["backend"]: b["extra_info"]["runoff"] for b in perf.saved()["benchmarks"]}
    assert records["onnxruntime-cpu"]["answers"] == "float64 reference"
    assert records["onnxruntime-cpu"]["error_fraction_of_allowed"] <= 1
    assert records["onnxruntime-cpu"]["latency_s_per_batch"] > 0
    assert records["null-grpc"]["answers"] == "computes nothing"


def test_bare_onnx_file_is_marked_unverified(perf: PerfRun, tmp_path: Path) -> None:
    """Without the weights there is no reference, and the table says so."""
    convert = [sys.executable, "-m", "runoff", "convert", str(perf.model), "-o", str(tmp_path)]
    subprocess.run(convert, check=True, capture_output=True)
    done = perf.run("--onnx-model", str(tmp_path / "small.onnx"), "--batch-sizes", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not verified against a reference" in done.stdout
    assert len(perf.saved()["benchmarks"]) == 1


def test_unreadable_model_stops_the_run_before_it_measures(perf: PerfRun) -> None:
    """All broken models are named at once; nothing is timed."""
    perf.model.write_bytes(b'{"inputSize": 6')
    done = perf.run()
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "small.model: is not JSON" in done.stderr
    assert not list(perf.store.glob("*/*.json"))


def test_backend_without_its_device_is_skipped_with_the_cure(perf: PerfRun) -> None:
    """`all` means all that can run here."""
    done = perf.run("--backends", "all", "--batch-sizes", "1", "-k", "onnxruntime-cuda")
    assert "1 skipped" in done.stdout
    assert "runoff[gpu]" in done.stdout


def test_backend_asked_for_by_name_is_an_error_without_its_device(perf: PerfRun) -> None:
    """Never a silent skip, never a number from elsewhere."""
    done = perf.run("--backends", "onnxruntime-cuda", "--batch-sizes", "1")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "no CUDA provider" in done.stdout


def test_service_of_another_model_is_refused_with_both_descriptions(perf: PerfRun, other_service: str) -> None:
    """A fast answer of the wrong network is no answer."""
    done = perf.run("--backends", "remote-grpc", "--grpc-addr", other_service, "--batch-sizes", "2")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "64→128→8" in done.stdout
    assert "6→8→3" in done.stdout


def test_service_of_another_model_is_timed_when_allowed_and_labelled(perf: PerfRun, other_service: str) -> None:
    """Every line about it says so."""
    options = ["--grpc-addr", other_service, "--allow-other-model", "--batch-sizes", "2"]
    done = perf.run("--backends", "remote-grpc,onnxruntime-cpu", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    again = perf.run("--backends", "remote-grpc,onnxruntime-cpu", *options)
    about = [line for line in (done.stdout + again.stdout).splitlines() if "remote-grpc" in line]
    assert about
    assert [line for line in about if "another model" not in line] == []


@pytest.mark.parametrize("backend", ["remote-grpc", "remote-oip"])
def test_service_of_the_users_is_timed_over_tls(perf: PerfRun, tmp_path: Path, backend: str) -> None:
    """Trusting the authority that was given, and no other."""
    pem = make_certificates(tmp_path)
    words = ["--tls-cert", str(pem / "service.pem"), "--tls-key", str(pem / "service.key")]
    with serving("--engine", "numpy", "--model", str(perf.model), *words) as (_, line):
        (address,) = re.findall(r"127\.0\.0\.1:\d+", line)
        options = [backend.replace("remote-", "--") + "-addr", address, "--grpc-tls-ca", str(pem / "service.pem")]
        done = perf.run("--backends", backend, *options, "--batch-sizes", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [backend] == [b["extra_info"]["runoff"]["backend"] for b in perf.saved()["benchmarks"]]


def _service_of(run: "subprocess.Popen[str]") -> psutil.Process:
    """Return the service that a perf run started."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in psutil.Process(run.pid).children(recursive=True):
            with suppress(psutil.Error):
                if "serve" in child.cmdline():
                    return child
        time.sleep(0.1)
    raise AssertionError("no service was started")


def _wait_for(run: "subprocess.Popen[str]", text: str) -> None:
    assert run.stdout
    for line in run.stdout:
        if text in line:
            return
    raise AssertionError(f"the run ended without {text!r}")


def test_killed_service_fails_its_case_and_keeps_the_finished_ones(perf: PerfRun) -> None:
    """With how it died; what was measured before is saved."""
    with perf.start("--backends", "null-grpc", "--batch-sizes", "1,2", "--rounds", "400") as run:
        service = _service_of(run)
        _wait_for(run, "b1] PASSED")
        time.sleep(0.5)
        service.send_signal(signal.SIGKILL)
        assert run.stdout
        output = run.stdout.read()
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert "SIGKILL" in output
    assert ["null-grpc-small-b1"] == [b["extra_info"]["runoff"]["case"] for b in perf.saved()["benchmarks"]]
    assert not perf.saved()["runoff"]["complete"]


def test_hung_service_fails_its_case_and_is_ended(perf: PerfRun) -> None:
    """A stopped process answers nothing and takes no TERM: a deadline on every call, and KILL at the end."""
    with perf.start("--backends", "null-grpc", "--batch-sizes", "1,2", "--rounds", "400") as run:
        service = _service_of(run)
        _wait_for(run, "b1] PASSED")
        service.suspend()
        assert run.stdout
        output = run.stdout.read()
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert "no answer from" in output
    assert ["null-grpc-small-b1"] == [b["extra_info"]["runoff"]["case"] for b in perf.saved()["benchmarks"]]
    assert not service.is_running()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill-9"])
def test_service_never_outlives_its_run(perf: PerfRun, ending: signal.Signals) -> None:
    """No orphan that holds a core and disturbs the next run."""
    with perf.start("--backends", "null-grpc", "--batch-sizes", "1,2", "--rounds", "400") as run:
        service = _service_of(run)
        _wait_for(run, "b1] PASSED")
        os.kill(run.pid, ending)
        assert run.stdout
        run.stdout.read()
    service.wait(30)
    assert not service.is_running()


def test_address_where_nobody_listens_stops_the_run_before_it_measures(perf: PerfRun) -> None:
    """Not after an hour of timing the other backends."""
    done = perf.run("--grpc-addr", "127.0.0.1:1", "--batch-sizes", "1")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--grpc-addr 127.0.0.1:1: nobody answers there" in done.stderr
    assert not list(perf.store.glob("*/*.json"))
