"""How a service process ends while calls are in flight."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import numpy as np
import pytest

from runoff.errors import RunoffError
from runoff.models.mlp import Kind
from runoff.rpc.neural import request_codec
from runoff.rpc.neural.client import NeuralClient
from tests.support.idle_callers import PREDICT, WATCH, open_silent_calls
from tests.support.services import call

# `runoff serve` with a backend that takes a second for 3 samples and never comes back from 5. Its words: the grace
# period and, if it is to end with it, its parent's process id.
SLOW_SERVE = """
import sys, time
from runoff.service import parent_watch
if sys.argv[2:]:
    parent_watch.watch(int(sys.argv[2]))
from runoff.cli import main as cli
from runoff.backends.null_backend import NullBackend
from runoff.service import lifecycle
lifecycle.GRACE_S, lifecycle._EXIT_TIMEOUT_S = float(sys.argv[1]), 0.2
predict = NullBackend.predict
def slow(self, batch):
    if len(batch) in (3, 5):
        print("computing", flush=True)
        time.sleep(1 if len(batch) == 3 else 600)
    return predict(self, batch)
NullBackend.predict = slow
sys.exit(cli.main(["serve", "--engine", "null", "--untrained", "5,7,3", "--port", "0"]))
"""

# Waits for the end, and is told to end at the n-th line of Python that the waiting takes, for every n; whatever takes
# fewer lines is told after a while, by a signal that interrupts another thread, as one that comes just before the main
# thread falls asleep interrupts nobody. Exits with the number of waits that did not end.
TOLD_AT_EVERY_LINE = """
import os, signal, sys, threading
from runoff.service.lifecycle import ShutdownRequest
def wait(number):
    signal.alarm(5)
    end = ShutdownRequest()
    end.is_serving = True
    lines = number
    def tell():
        nonlocal lines
        if lines:
            lines = 0
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    def trace(frame, event, argument):
        nonlocal lines
        if event == "line" and lines > 1:
            lines -= 1
        elif event == "line":
            tell()
        return trace
    threading.Timer(0.2, tell).start()
    sys.settrace(trace)
    end.wait()
    sys.settrace(None)
def in_child(number):
    pid = os.fork()
    if not pid:
        wait(number)
        os._exit(0)
    return os.waitpid(pid, 0)[1] != 0
sys.exit(sum(map(in_child, range(1, 25))))
"""


class SlowService:
    """A slow service process and a call to it, in flight."""

    def __init__(self, process: "subprocess.Popen[str]", batch_size: int) -> None:
        assert process.stdout is not None
        self.process = process
        self.address = process.stdout.readline().split(": ")[0].removeprefix("serving on ")
        self.outcome: object = None
        self.caller = threading.Thread(target=self._call, args=(np.ones((batch_size, 5), np.float32),))
        self.caller.start()
        assert "computing\n" == process.stdout.readline()

    def _call(self, batch: "np.ndarray[tuple[int, int], np.dtype[np.float32]]") -> None:
        try:
            with NeuralClient(self.address, timeout_s=30) as client:
                self.outcome = client.predict(batch, Kind.POLICY).shape
        except RunoffError as error:
            self.outcome = error


@contextmanager
def slow_service(grace_s: float, batch_size: int, *parent_pid: str) -> Iterator[SlowService]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", SLOW_SERVE, str(grace_s), *parent_pid]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            service = SlowService(process, batch_size)
            yield service
        finally:
            process.kill()
    service.caller.join(10)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_call_in_flight_is_answered_before_the_end(number: signal.Signals) -> None:
    """A restart of the service must not cost its clients their answers."""
    with slow_service(10, 3) as service:
        service.process.send_signal(number)
        assert 0 == service.process.wait(30)
    assert (3, 3) == service.outcome


def test_new_call_is_refused_while_draining() -> None:
    """A service that went on taking calls would never end."""
    with slow_service(10, 3) as service:
        message = request_codec.encode_predict(np.ones((1, 5), np.float32), "policy", "")
        service.process.send_signal(signal.SIGTERM)
        assert service.process.poll() is None
        refused = []
        while service.process.poll() is None:
            try:
                call(service.address, "Predict", message, timeout_s=1)
            except grpc.RpcError as error:
                refused.append(error.code())
        assert grpc.StatusCode.UNAVAILABLE in refused
    assert (3, 3) == service.outcome


def test_call_that_never_ends_is_cut_off_after_the_grace_period() -> None:
    """One hung call must not keep the process, and the GPU, for ever."""
    with slow_service(0.2, 5) as service:
        service.process.send_signal(signal.SIGTERM)
        assert 0 == service.process.wait(30)
    assert isinstance(service.outcome, RunoffError)


def test_second_signal_ends_at_once() -> None:
    """Ctrl-C twice means now, whatever is in flight."""
    with slow_service(600, 5) as service:
        service.process.send_signal(signal.SIGTERM)
        # The first one must have been taken before the second, or the kernel would make one of two.
        with pytest.raises(subprocess.TimeoutExpired):
            service.process.wait(0.5)
        service.process.send_signal(signal.SIGTERM)
        assert 128 + signal.SIGTERM == service.process.wait(30)


def test_idle_callers_do_not_make_the_end_last_the_grace_period() -> None:
    """The grace is for what is in flight; a balancer that watches health must not cost a restart all of it."""
    with slow_service(600, 3) as service, open_silent_calls(service.address) as silent:
        for method in (PREDICT, WATCH):
            silent.open(method, 1)
        call(service.address, "Check", b"", service="grpc.health.v1.Health")
        service.process.send_signal(signal.SIGTERM)
        assert 0 == service.process.wait(30)
    assert (3, 3) == service.outcome


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_signal_is_heard_at_any_step_of_the_wait() -> None:
    """Python's handler runs in the waiting thread: it must be woken for it, and hold no lock that it takes."""
    result = subprocess.run([sys.executable, "-c", TOLD_AT_EVERY_LINE], timeout=400, check=False)
    assert 0 == result.returncode


def test_end_of_standard_input_ends_a_hung_service() -> None:
    """This is how a service notices that its launcher was killed; a hung call must not keep it."""
    with slow_service(0.2, 5, str(os.getpid())) as service:
        assert service.process.stdin is not None
        service.process.stdin.close()
        assert 0 == service.process.wait(30)
