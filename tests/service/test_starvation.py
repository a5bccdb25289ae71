"""Callers that open calls and send nothing: what they take from others, and when they are sent away."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import cast

import grpc
import pytest

from runoff.service import admission, crew
from runoff.service import server as server_module
from runoff.service.launcher import RunningService, launch
from runoff.service.server import DEFAULT_WORKERS
from tests.support.idle_callers import CHECK, MESSAGE, PREDICT, REFLECTION, WATCH, deaf_callers, openers_at
from tests.support.models import random_mlp
from tests.support.services import WatchedBackend, call, refusal, served, wait_until

# `runoff serve` that gives calls in flight a moment only.
IMPATIENT_SERVE = """
import sys
from runoff.cli import main as cli
from runoff.service import serving
serving.GRACE_S = 0.2
sys.exit(cli.main(["serve", "--engine", "null", "--untrained", "5,7,3", "--port", "0"]))
"""


@pytest.fixture(scope="module")
def service() -> Iterator[RunningService]:
    """A service with reflection."""
    with launch("null", [], extra_arguments=["--untrained", "5,7,3", "--reflection"]) as service:
        yield service


def assert_answers(address: str) -> None:
    """Assert that health and a prediction are answered."""
    call(address, "Check", b"", service="grpc.health.v1.Health")
    call(address, "Predict", MESSAGE)


def call_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "call"}


@pytest.mark.parametrize(
    ("method", "message"),
    [pytest.param(WATCH, b"", id="Watch"), pytest.param(REFLECTION, b"\x3a\x00", id="ServerReflectionInfo")],
)
def test_clients_that_take_in_nothing_keep_nothing_from_others(method: str, message: bytes) -> None:
    """One such watch has been seen to stop all of health, and the service from ending."""
    with (
        launch("null", [], extra_arguments=["--untrained", "5,7,3", "--reflection"]) as service,
        deaf_callers(service.address, method, message, DEFAULT_WORKERS + 4),
    ):
        assert_answers(service.address)
        service.process.send_signal(signal.SIGTERM)
        assert 0 == service.process.wait(30)


@pytest.mark.parametrize("method", [PREDICT, CHECK, WATCH, REFLECTION], ids=lambda method: method.split("/")[1])
def test_others_are_answered_whatever_is_left_open(service: RunningService, method: str) -> None:
    """A few idle clients, which need not mean harm, must not look like a dead service."""
    with openers_at(service.address) as openers:
        openers.open(method, DEFAULT_WORKERS + 4)
        assert_answers(service.address)
        time.sleep(0.3)
        assert_answers(service.address)
        assert [] == openers.ended()


def test_others_are_answered_while_openers_come_and_go(service: RunningService) -> None:
    """Each that leaves makes room for one call of the queue, which is then another of theirs."""
    with openers_at(service.address) as openers, ExitStack() as stack:
        is_over = threading.Event()

        def come_and_go() -> None:
            for index in range(200):
                openers.open(PREDICT, 1)
                if is_over.wait(0.1):
                    break
                openers.calls[index].cancel()  # type: ignore[no-untyped-call] # grpc's stubs leave it out

        openers.open(PREDICT, 40)
        goer = threading.Thread(target=come_and_go)
        goer.start()
        stack.callback(goer.join, 30)
        stack.callback(is_over.set)
        time.sleep(0.5)
        for _ in range(3):
            call(service.address, "Check", b"", timeout_s=2.0, service="grpc.health.v1.Health")


def test_service_recovers_when_no_thread_could_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container limits threads, too; whoever is missed then must not be missed for ever."""
    start = threading.Thread.start
    before = call_threads()

    def start_some(thread: threading.Thread) -> None:
        if thread.name == "call" and len(call_threads() - before) >= 2 * DEFAULT_WORKERS:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_some)
    with served({"m": WatchedBackend(random_mlp())}) as server:
        with openers_at(server.address) as openers:
            openers.open(PREDICT, 5 * DEFAULT_WORKERS)
            # All threads there can be wait, until the oldest waits are cut off.
            assert_answers(server.address)
            assert openers.ended()
        with openers_at(server.address) as openers:
            openers.open(PREDICT, DEFAULT_WORKERS + 1)
            assert_answers(server.address)


def test_waiting_threads_are_replaced_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each stream that waits for its client has another thread hired."""
    monkeypatch.setattr(crew, "MAX_THREADS", 3)
    before = call_threads()
    hands = crew.Crew(1)
    with ExitStack() as stack:
        stack.callback(hands.shutdown)
        for _ in range(5):
            # What it waits for is never looked at here.
            stack.enter_context(hands.uncounted(cast("grpc.ServicerContext", object())))
        assert 3 == len(call_threads() - before)


def test_longest_waits_are_cut_off_when_there_are_too_many(service: RunningService) -> None:
    """No number of threads would be enough; somebody has to go, and that is not who has something to say."""
    with openers_at(service.address) as openers:
        openers.open(PREDICT, crew.MAX_THREADS + 50)
        assert_answers(service.address)
        wait_until(lambda: bool(openers.ended()))
        assert {grpc.StatusCode.CANCELLED} == set(openers.ended())
        assert_answers(service.address)


def test_message_that_comes_late_is_answered(service: RunningService) -> None:
    """A slow line is no attack: a wait costs the caller nothing while threads can be hired."""
    with openers_at(service.address) as openers:
        openers.open(PREDICT, DEFAULT_WORKERS + 4)
        assert_answers(service.address)
        time.sleep(2 * crew._CUT_OFF_S)
        openers.may_send.set()
        for opened in openers.calls:
            assert len(next(opened)) > 0  # type: ignore[call-overload] # grpc's stubs: a call is no iterator


def test_no_more_than_workers_handle_calls_when_all_messages_come_at_once() -> None:
    """`--workers` says how many do, however many threads have waited."""
    backend = WatchedBackend(random_mlp())
    with served({"m": backend}) as server, openers_at(server.address) as openers:
        openers.open(PREDICT, 3 * DEFAULT_WORKERS)
        call(server.address, "Predict", MESSAGE)
        before = len(backend.contexts)
        backend.may_go_on.clear()
        openers.may_send.set()
        wait_until(lambda: len(backend.contexts) - before == DEFAULT_WORKERS)
        time.sleep(0.3)
        assert DEFAULT_WORKERS == len(backend.contexts) - before
        backend.may_go_on.set()
        wait_until(lambda: len(backend.contexts) - before == 3 * DEFAULT_WORKERS)


def test_hired_threads_leave_when_the_waits_are_over() -> None:
    """More threads than workers make a busy service slower."""
    backend = WatchedBackend(random_mlp())
    before = call_threads()
    with served({"m": backend}) as server:
        with openers_at(server.address) as openers:
            openers.open(PREDICT, 3 * DEFAULT_WORKERS)
            call(server.address, "Predict", MESSAGE)
            assert len(call_threads() - before) > 3 * DEFAULT_WORKERS
        wait_until(lambda: len(call_threads() - before) <= DEFAULT_WORKERS)
        call(server.address, "Predict", MESSAGE)
    wait_until(lambda: not call_threads() - before)


@pytest.mark.parametrize("method", [WATCH, REFLECTION], ids=lambda method: method.split("/")[1])
def test_streams_over_the_limit_are_refused_until_one_ends(service: RunningService, method: str) -> None:
    """Nobody needs as many, and each takes memory, or a thread, for as long as its client likes."""
    with openers_at(service.address) as openers, openers_at(service.address) as late:
        openers.open(method, admission.MAX_STREAMS + 1)
        wait_until(lambda: len(openers.ended()) == 1)
        [refused] = [opened for opened in openers.calls if not opened.is_active()]
        assert grpc.StatusCode.RESOURCE_EXHAUSTED == refused.code()
        assert f"{admission.MAX_STREAMS} streams of this method are open" in refused.details()
        assert_answers(service.address)
        for opened in openers.calls:
            opened.cancel()  # type: ignore[no-untyped-call] # grpc's stubs leave it out

        def is_admitted() -> bool:
            late.open(method, 1)
            time.sleep(0.1)
            return late.calls[-1].is_active()

        wait_until(is_admitted)


def test_calls_over_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue without end would take memory without end."""
    monkeypatch.setattr(server_module, "MAX_CALLS", 6)
    with served({"m": WatchedBackend(random_mlp())}) as server, openers_at(server.address) as openers:
        openers.open(PREDICT, 6)
        wait_until(lambda: refusal(server.address, "Predict", MESSAGE)[0] == "RESOURCE_EXHAUSTED")
        assert "limit exceeded" in refusal(server.address, "Predict", MESSAGE)[1]


def test_as_many_callers_as_are_benchmarked_are_all_answered() -> None:
    """Waiting in a queue is no reason to be refused."""
    backend = WatchedBackend(random_mlp())
    backend.may_go_on.clear()
    with served({"m": backend}) as server, ExitStack() as stack:
        futures = []
        for _ in range(64):
            channel = stack.enter_context(grpc.insecure_channel(server.address))
            futures.append(channel.unary_unary(f"/{PREDICT}", None, None).future(MESSAGE, timeout=30))
        assert backend.entered.wait(10)
        backend.may_go_on.set()
        for future in futures:
            assert len(future.result(30)) > 0


@pytest.mark.parametrize(
    ("method", "messages", "status"),
    [
        pytest.param(PREDICT, [], grpc.StatusCode.UNIMPLEMENTED, id="no-message"),
        pytest.param(CHECK, [b"\xff\xff\xff"], grpc.StatusCode.INTERNAL, id="no-protobuf"),
        pytest.param(CHECK, [bytes(70_000)], grpc.StatusCode.RESOURCE_EXHAUSTED, id="too-long"),
    ],
)
def test_call_without_a_good_message_is_refused(
    service: RunningService, method: str, messages: list[bytes], status: grpc.StatusCode
) -> None:
    """As gRPC's own servers do it."""
    with grpc.insecure_channel(service.address) as channel:
        with pytest.raises(grpc.RpcError) as error:
            channel.stream_unary(f"/{method}", None, None)(iter(messages), timeout=10)
        assert status == error.value.code()
    assert_answers(service.address)


def test_idle_callers_do_not_keep_the_service_from_ending() -> None:
    """A restart must not wait for clients that say nothing."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", IMPATIENT_SERVE], stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split(": ")[0].removeprefix("serving on ")
            with openers_at(address) as openers:
                for method in (PREDICT, CHECK, WATCH):
                    openers.open(method, DEFAULT_WORKERS + 4)
                assert_answers(address)
                process.send_signal(signal.SIGTERM)
                assert 0 == process.wait(30)
        finally:
            process.kill()
