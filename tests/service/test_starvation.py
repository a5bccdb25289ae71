"""While some clients open calls and send or read nothing, other clients are answered, and memory is bounded."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import grpc
import psutil
import pytest

from runoff.service import call_interceptor
from runoff.service import call_threads as call_threads_module
from runoff.service.launcher import RunningService, launch
from runoff.service.server import DEFAULT_WORKERS
from tests.support.idle_callers import (
    CHECK,
    PREDICT,
    REFLECTION,
    WATCH,
    assert_answers,
    open_silent_calls,
    unread_calls,
)
from tests.support.services import call, wait_until

# `runoff serve` with a grace period of 0.2 s. An optional argument sets the maximum number of call threads. With it,
# the service cancels silent calls after 0.1 s instead of 1 s.
SERVE_WITH_SHORT_GRACE = """
import sys
from runoff.cli import main as cli
from runoff.service import call_threads, lifecycle
lifecycle.GRACE_S = 0.2
if sys.argv[1:]:
    call_threads.MAX_THREADS, call_threads._MAX_WAIT_S = int(sys.argv[1]), 0.1
sys.exit(cli.main(["serve", "--engine", "null", "--untrained", "5,7,3", "--port", "0", "--reflection"]))
"""
MIB = 2**20
# A ServerReflectionRequest for the list of services.
LIST_SERVICES = b"\x3a\x00"


@pytest.fixture(scope="module")
def service() -> Iterator[RunningService]:
    """A service process with reflection enabled, shared by the tests of this module."""
    with launch("null", [], extra_arguments=["--untrained", "5,7,3", "--reflection"]) as service:
        yield service


@contextmanager
def serve_with_short_grace(*max_threads: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Start a service with a short grace period and, if given, a thread limit. Yield its process and address."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", SERVE_WITH_SHORT_GRACE, *max_threads]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split(": ")[0].removeprefix("serving on ")
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("method", "message"),
    [pytest.param(WATCH, b"", id="Watch"), pytest.param(REFLECTION, LIST_SERVICES, id="ServerReflectionInfo")],
)
def test_clients_that_read_nothing_block_nobody_else(method: str, message: bytes) -> None:
    """One client that did not read its health updates once blocked all health checks and the service's shutdown."""
    with serve_with_short_grace() as (process, address), unread_calls(address, method, message, DEFAULT_WORKERS + 4):
        assert_answers(address)
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(60)


@pytest.mark.parametrize("method", [PREDICT, CHECK, WATCH, REFLECTION], ids=lambda method: method.split("/")[1])
def test_others_are_answered_while_calls_stay_silent(service: RunningService, method: str) -> None:
    """A few silent clients are no threat: their calls must stay open, and other clients must still be answered."""
    with open_silent_calls(service.address) as silent:
        silent.open(method, DEFAULT_WORKERS + 4)
        assert_answers(service.address)
        assert_answers(service.address)
        assert [] == silent.ended_statuses()


def test_others_are_answered_while_silent_calls_come_and_go(service: RunningService) -> None:
    """When a silent call ends, its thread often takes another silent call, so the service must add threads."""
    with open_silent_calls(service.address) as silent, ExitStack() as stack:
        is_over = threading.Event()

        def replace_calls() -> None:
            for index in range(200):
                silent.open(PREDICT, 1)
                if is_over.wait(0.1):
                    break
                silent.calls[index].cancel()  # type: ignore[no-untyped-call] # missing in grpc-stubs

        silent.open(PREDICT, 40)
        replacing = threading.Thread(target=replace_calls)
        replacing.start()
        stack.callback(replacing.join, 30)
        stack.callback(is_over.set)
        wait_until(lambda: len(silent.calls) > 42)
        for _ in range(3):
            call(service.address, "Check", b"", timeout_s=15, service="grpc.health.v1.Health")


def test_longest_waits_are_cancelled_when_all_threads_wait(service: RunningService) -> None:
    """The number of threads is limited, so calls that have sent a request must take precedence over silent calls."""
    with open_silent_calls(service.address) as silent:
        silent.open(PREDICT, call_threads_module.MAX_THREADS + 50)
        assert_answers(service.address)
        wait_until(lambda: bool(silent.ended_statuses()))
        assert {grpc.StatusCode.CANCELLED} == set(silent.ended_statuses())
        assert_answers(service.address)


def test_late_request_is_answered(service: RunningService) -> None:
    """A slow connection is not an attack, so its call must not be cancelled while more threads can be started."""
    with open_silent_calls(service.address) as silent:
        silent.open(PREDICT, DEFAULT_WORKERS + 4)
        assert_answers(service.address)
        time.sleep(1.5 * call_threads_module._MAX_WAIT_S)
        silent.may_send.set()
        for opened in silent.calls:
            assert len(next(opened)) > 0  # type: ignore[call-overload] # grpc-stubs: a call is no iterator


def test_requests_of_all_callers_together_occupy_bounded_memory() -> None:
    """Many clients may first open calls and then all send large requests, which must not exhaust the memory."""
    max_threads, callers, request_bytes = 4, 24, 8 * MIB
    with serve_with_short_grace(str(max_threads)) as (process, address):
        assert_answers(address)
        service = psutil.Process(process.pid)
        idle_bytes = peak_bytes = service.memory_info().rss
        with open_silent_calls(address, bytes(request_bytes)) as silent:
            silent.open(PREDICT, callers)
            # When no more threads can be started, the service cancels older calls until each remaining call has a
            # thread.
            wait_until(lambda: len(silent.ended_statuses()) >= callers - max_threads)
            silent.may_send.set()
            while len(silent.ended_statuses()) < callers:
                peak_bytes = max(peak_bytes, service.memory_info().rss)
    # gRPC briefly holds each request twice, because it copies the received pieces into one Python object.
    assert peak_bytes - idle_bytes < 2 * max_threads * request_bytes + 32 * MIB


@pytest.mark.parametrize("method", [WATCH, REFLECTION], ids=lambda method: method.split("/")[1])
def test_streams_over_the_limit_are_refused_until_one_ends(service: RunningService, method: str) -> None:
    """An open stream occupies a thread until its client ends it, so the number of streams must be limited."""
    max_streams = call_interceptor.MAX_STREAMS
    with open_silent_calls(service.address) as silent, open_silent_calls(service.address, LIST_SERVICES) as late:
        late.may_send.set()
        silent.open(method, max_streams + 1)
        wait_until(lambda: len(silent.ended_statuses()) == 1)
        [refused] = [opened for opened in silent.calls if not opened.is_active()]
        assert grpc.StatusCode.RESOURCE_EXHAUSTED == refused.code()
        assert f"{max_streams} streams of this method are open" in refused.details()
        assert_answers(service.address)
        for opened in silent.calls:
            opened.cancel()  # type: ignore[no-untyped-call] # missing in grpc-stubs

        def is_admitted() -> bool:
            late.open(method, 1)
            try:
                next(late.calls[-1])  # type: ignore[call-overload] # grpc-stubs: a call is no iterator
            except grpc.RpcError:
                assert grpc.StatusCode.RESOURCE_EXHAUSTED == late.calls[-1].code()
                return False
            return True

        wait_until(is_admitted)


@pytest.mark.parametrize(
    ("method", "messages", "status"),
    [
        pytest.param(PREDICT, [], grpc.StatusCode.UNIMPLEMENTED, id="no-request"),
        pytest.param(CHECK, [b"\xff\xff\xff"], grpc.StatusCode.INTERNAL, id="malformed"),
        pytest.param(CHECK, [bytes(70_000)], grpc.StatusCode.RESOURCE_EXHAUSTED, id="too-long"),
    ],
)
def test_call_without_a_valid_request_is_refused(
    service: RunningService, method: str, messages: list[bytes], status: grpc.StatusCode
) -> None:
    """runoff's interceptor receives requests in place of gRPC, so it must return the same statuses as gRPC does."""
    with grpc.insecure_channel(service.address) as channel:
        with pytest.raises(grpc.RpcError) as error:
            channel.stream_unary(f"/{method}", None, None)(iter(messages), timeout=30)
        assert status == error.value.code()
    assert_answers(service.address)


def test_silent_calls_do_not_delay_the_shutdown() -> None:
    """Clients that send nothing must not delay a restart of the service."""
    with serve_with_short_grace() as (process, address), open_silent_calls(address) as silent:
        for method in (PREDICT, CHECK, WATCH):
            silent.open(method, DEFAULT_WORKERS + 4)
        assert_answers(address)
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(60)
