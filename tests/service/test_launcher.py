"""The launcher starts and stops service processes, and reports why they failed."""

import os
import re
import signal
from pathlib import Path

import numpy as np
import psutil
import pytest

from runoff.backends.grpc_backend import open_grpc
from runoff.errors import BackendUnavailable, ServiceError
from runoff.models.mlp import Kind
from runoff.service.launcher import RunningService, launch
from tests.support.models import random_mlp

MLP = random_mlp()


def test_launched_service_answers_as_the_model(shared_service: RunningService) -> None:
    """A service that has been reported as ready must answer the first call without a retry."""
    batch = np.random.default_rng(0).random((4, 5), dtype=np.float32)
    with open_grpc("numpy-grpc", shared_service.address, MLP, "tiny_policy") as backend:
        np.testing.assert_allclose(MLP.forward(batch), backend.predict(batch), rtol=1e-4, atol=1e-6)
        assert (shared_service.process.pid, shared_service.nonce) == (backend.info.pid, backend.info.nonce)


def test_one_service_hosts_both_kinds(model_path: Path, value_path: Path) -> None:
    """The suite starts only one service per engine, which must serve both the policy and the value network."""
    with launch("null", [model_path, value_path]) as service:
        value_mlp = random_mlp(Kind.VALUE, seed=3)
        with open_grpc("numpy-grpc", service.address, value_mlp, "tiny_value") as backend:
            assert (2, 1) == backend.predict(np.ones((2, 5), np.float32)).shape


def test_stopped_service_ended_in_order(running: RunningService) -> None:
    """SIGTERM must make a service log its shutdown and exit with code 0. A second call of `stop` must do no harm."""
    running.stop()
    running.stop()
    assert 0 == running.process.returncode
    assert "serving on" in running.log_tail()
    assert "shutting down" in running.log_tail()


def test_death_while_starting_is_reported_at_once(tmp_path: Path) -> None:
    """If the service ends before it is ready, the launcher must stop waiting and report what the service printed."""
    with pytest.raises(ServiceError, match=r"did not start: it ended with exit code 1(?s:.*)no such file") as error:
        launch("numpy", [tmp_path / "absent.model"], start_timeout_s=600)
    assert "absent.model" in str(error.value)


def test_late_service_is_ended(model_path: Path) -> None:
    """A service that is not ready in time must be stopped, because nothing else would stop it."""
    lines: list[str] = []
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    with pytest.raises(ServiceError, match=r"not ready after 0\.01 s"):
        launch("numpy", [model_path], start_timeout_s=0.01, on_progress=lines.append)
    assert before == {child.pid for child in psutil.Process().children(recursive=True)}


def test_progress_is_reported_while_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_path: Path) -> None:
    """TensorFlow takes many seconds to load, so without a progress message the run would seem to hang."""
    # Python imports sitecustomize before everything else, so this file delays the start.
    (tmp_path / "sitecustomize.py").write_text("import time; time.sleep(1.5)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    lines: list[str] = []
    with launch("numpy", [model_path], on_progress=lines.append):
        # On a busy machine, the first progress message may come later than the scheduled 1 s.
        assert re.match(r"waiting for the service to be ready: \d+ s", lines[0])


def test_killed_service_is_explained(running: RunningService) -> None:
    """When a service dies, calls fail with a mere connection error, so runoff must add why the service ended."""
    with open_grpc("numpy-grpc", running.address, MLP) as backend:
        running.process.kill()
        killed = pytest.raises(ServiceError, match=r"was ended by SIGKILL; its log ends with:(?s:.*)serving on")
        with killed, running.watched():
            backend.predict(np.ones((1, 5), np.float32))
    with pytest.raises(ServiceError, match="was ended by SIGKILL"):
        running.check_alive()


def test_error_of_a_living_service_is_unchanged(shared_service: RunningService) -> None:
    """If the service is still alive, the error of a call must not claim that the service has ended."""
    shared_service.check_alive()
    with pytest.raises(ServiceError, match=r"^mine$"), shared_service.watched():
        raise ServiceError("mine")


def test_hung_service_fails_the_call_and_is_killed(running: RunningService) -> None:
    """A suspended service does not react to SIGTERM, so the launcher must also send SIGKILL."""
    with open_grpc("numpy-grpc", running.address, MLP, timeout_s=0.5) as backend:
        os.kill(running.process.pid, signal.SIGSTOP)
        with pytest.raises(BackendUnavailable, match=r"no response from .* within 0\.5 s"):
            backend.predict(np.ones((1, 5), np.float32))
    running.stop(timeout_s=0.2)
    assert -signal.SIGKILL == running.process.returncode


def test_service_is_a_group_of_its_own(running: RunningService) -> None:
    """Ctrl-C signals a whole process group. It must not reach services, which the run needs until it stops them."""
    pid = running.process.pid
    group, session = os.getpgid(pid), os.getsid(pid)
    # Kill only this process: the fixture kills a process group, which the service lacks if the test fails.
    running.process.kill()
    assert [pid, pid] == [group, session]


def test_files_in_the_working_directory_do_not_matter(
    model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's working directory may contain a numpy.py or a runoff folder, which the service must not import."""
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')")
    (tmp_path / "runoff").mkdir()
    monkeypatch.chdir(tmp_path)
    with launch("null", [model_path]) as service:
        assert service.address.startswith("127.0.0.1:")


def test_odd_encoding_and_path_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_path: Path) -> None:
    """Neither the ready line's arrow, which Latin-1 cannot encode, nor odd characters in a path may stop a service."""
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1:strict")
    (tmp_path / "a b\nc").mkdir()
    odd = tmp_path / "a b\nc" / ".." / "a b\nc" / "-é.model"
    odd.write_bytes(model_path.read_bytes())
    with launch("null", [odd]) as service:
        assert "policy 5\\u21927\\u21923" in service.log_tail()
