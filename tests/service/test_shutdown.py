"""How a service process shuts down while calls are in flight."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from runoff.errors import RunoffError
from runoff.models.mlp import Kind
from runoff.rpc.neural import request_codec
from runoff.rpc.neural.client import NeuralClient
from tests.support.idle_callers import PREDICT, WATCH, open_silent_calls
from tests.support.services import call, refusal, wait_until

# `runoff serve` with a slow backend: a batch of 3 samples takes until a line arrives on standard input, and a batch of
# 5 samples takes forever. Arguments: the grace period in seconds and, optionally, the process id of the parent to
# watch.
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
        sys.stdin.readline() if len(batch) == 3 else time.sleep(600)
    return predict(self, batch)
NullBackend.predict = slow
sys.exit(cli.main(["serve", "--engine", "null", "--untrained", "5,7,3", "--port", "0"]))
"""

# Starts 24 child processes, each of which waits for a request to shut down. In the n-th child, SIGTERM arrives just
# before the n-th line of `ShutdownRequest.wait` runs. If the method runs fewer than n lines, a timer thread sends the
# signal to itself after 0.2 s. Then the signal interrupts no system call of the main thread, as if it had arrived just
# before that thread blocked. The exit code is the number of children whose wait did not end.
SIGNAL_AT_EVERY_LINE = """
import os, signal, sys, threading
from runoff.service.lifecycle import ShutdownRequest
def wait(line):
    signal.alarm(60)
    shutdown = ShutdownRequest()
    shutdown.is_serving = True
    remaining = line
    def send():
        nonlocal remaining
        if remaining:
            remaining = 0
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    def trace(frame, event, argument):
        nonlocal remaining
        if event == "line" and remaining > 1:
            remaining -= 1
        elif event == "line":
            send()
        return trace
    threading.Timer(0.2, send).start()
    sys.settrace(trace)
    shutdown.wait()
    sys.settrace(None)
def start(line):
    pid = os.fork()
    if not pid:
        wait(line)
        os._exit(0)
    return pid
children = [start(line) for line in range(1, 25)]
sys.exit(sum(os.waitpid(pid, 0)[1] != 0 for pid in children))
"""


class SlowService:
    """
    A service process with a slow backend, and a call that it is computing.

    Attributes:
        process: The service process.
        address: The service's address.
        outcome: The shape of the call's response, or the error that ended the call.
        caller: The thread that waits for the response.
    """

    def __init__(self, process: "subprocess.Popen[str]", batch_size: int) -> None:
        assert process.stdout is not None
        self.process = process
        self.address = process.stdout.readline().split(": ")[0].removeprefix("serving on ")
        self.outcome: object = None
        self.caller = threading.Thread(target=self._call, args=(np.ones((batch_size, 5), np.float32),))
        self.caller.start()
        assert "computing\n" == process.stdout.readline()

    def begin_shutdown(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal and wait until the service has begun to shut down."""
        self.process.send_signal(number)
        assert self.process.stderr is not None
        assert any("shutting down" in line for line in self.process.stderr)

    def finish_call(self) -> None:
        """Let the call with 3 samples finish."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def _call(self, batch: "np.ndarray[tuple[int, int], np.dtype[np.float32]]") -> None:
        try:
            with NeuralClient(self.address, timeout_s=120) as client:
                self.outcome = client.predict(batch, Kind.POLICY).shape
        except RunoffError as error:
            self.outcome = error


@contextmanager
def slow_service(grace_s: float, batch_size: int, *parent_pid: str) -> Iterator[SlowService]:
    """Start a slow service and a call to it. The process is killed at the end of the context."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", SLOW_SERVE, str(grace_s), *parent_pid]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            service = SlowService(process, batch_size)
            yield service
        finally:
            process.kill()
    service.caller.join(30)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_call_in_flight_is_answered_before_the_process_ends(number: signal.Signals) -> None:
    """When a service is restarted, calls in flight must still get their responses."""
    with slow_service(600, 3) as service:
        service.begin_shutdown(number)
        service.finish_call()
        assert 0 == service.process.wait(60)
    assert (3, 3) == service.outcome


def test_new_call_is_refused_while_draining() -> None:
    """If a service accepted new calls during its shutdown, it might never end."""
    message = request_codec.encode_predict(np.ones((1, 5), np.float32), "policy", "")
    with slow_service(600, 3) as service:
        service.begin_shutdown()

        def is_refused() -> bool:
            # Retry, because gRPC closes its port a moment after the shutdown has begun.
            return refusal(service.address, "Predict", message)[0] == "UNAVAILABLE"

        wait_until(is_refused)
        assert service.process.poll() is None
        service.finish_call()
        assert 0 == service.process.wait(60)
    assert (3, 3) == service.outcome


def test_call_that_never_ends_is_cut_off_after_the_grace_period() -> None:
    """A hung call must not keep the process alive forever, because the process may occupy a GPU."""
    with slow_service(0.2, 5) as service:
        service.process.send_signal(signal.SIGTERM)
        assert 0 == service.process.wait(60)
    assert isinstance(service.outcome, RunoffError)


def test_second_signal_ends_the_process_immediately() -> None:
    """A user who presses Ctrl-C twice wants the service to end without waiting for calls in flight."""
    with slow_service(600, 5) as service:
        # Wait until the first signal has been handled, because the kernel merges two pending signals of the same
        # number.
        service.begin_shutdown()
        service.process.send_signal(signal.SIGTERM)
        assert 128 + signal.SIGTERM == service.process.wait(60)


def test_silent_calls_do_not_make_the_shutdown_last_the_grace_period() -> None:
    """The grace period is for computations. A load balancer that watches the health must not delay every restart."""
    with slow_service(600, 3) as service, open_silent_calls(service.address) as silent:
        for method in (PREDICT, WATCH):
            silent.open(method, 1)
        call(service.address, "Check", b"", timeout_s=60, service="grpc.health.v1.Health")
        service.begin_shutdown()
        service.finish_call()
        assert 0 == service.process.wait(60)
    assert (3, 3) == service.outcome


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_signal_at_any_line_of_the_wait_ends_it() -> None:
    """Python runs signal handlers in the waiting main thread. A signal must wake it and must not cause a deadlock."""
    result = subprocess.run([sys.executable, "-c", SIGNAL_AT_EVERY_LINE], timeout=400, check=False)
    assert 0 == result.returncode


def test_closed_standard_input_ends_a_hung_service() -> None:
    """If the launcher dies, standard input closes. The service must then end in spite of a hung call."""
    with slow_service(0.2, 5, str(os.getpid())) as service:
        assert service.process.stdin is not None
        service.process.stdin.close()
        assert 0 == service.process.wait(60)
