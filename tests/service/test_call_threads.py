"""The call thread pool limits the number of its threads, of calls that compute at the same time, and of open calls."""

import threading
from contextlib import ExitStack
from typing import Any, cast

import grpc
import pytest

from runoff.service import call_threads as call_threads_module
from runoff.service import server as server_module
from runoff.service.server import DEFAULT_WORKERS, Server
from tests.support.idle_callers import MESSAGE, PREDICT, assert_answers, open_silent_calls
from tests.support.models import random_mlp
from tests.support.services import WatchedBackend, call, refusal, served, wait_until


def call_threads() -> set[threading.Thread]:
    """Return the running threads of all call thread pools in this process."""
    return {thread for thread in threading.enumerate() if thread.name == "call"}


def threads_without_slot(server: Server) -> int:
    """Return the number of threads that have received a request and are waiting for a compute slot of the pool."""
    return len(cast("Any", server)._pool.compute_slots._cond._waiters)


def waiting_calls(server: Server) -> int:
    """Return how many calls have a thread that waits for their request."""
    return len(cast("Any", server)._pool._wait_starts)


def test_service_recovers_when_no_thread_could_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may limit the number of threads, so the service must retry failed thread starts later."""
    start = threading.Thread.start
    before = call_threads()

    def start_some(thread: threading.Thread) -> None:
        if thread.name == "call" and len(call_threads() - before) >= 2 * DEFAULT_WORKERS:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_some)
    with served({"m": WatchedBackend(random_mlp())}) as server:
        with open_silent_calls(server.address) as silent:
            silent.open(PREDICT, 5 * DEFAULT_WORKERS)
            # No more threads can be started and all threads wait for requests, so the service must cancel old calls.
            assert_answers(server.address)
            assert silent.ended_statuses()
        with open_silent_calls(server.address) as silent:
            silent.open(PREDICT, DEFAULT_WORKERS + 1)
            assert_answers(server.address)


def test_waiting_threads_are_replaced_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waiting stream gets a replacement thread, so without a limit clients could start any number of threads."""
    monkeypatch.setattr(call_threads_module, "MAX_THREADS", 3)
    before = call_threads()
    pool = call_threads_module.CallThreadPool(1)
    with ExitStack() as stack:
        stack.callback(pool.shutdown)
        for _ in range(5):
            # The pool uses a call's context only to cancel the call, which this test never needs, so any object works.
            stack.enter_context(pool.waiting(cast("grpc.ServicerContext", object())))
        assert 3 == len(call_threads() - before)


def test_no_more_than_workers_handle_calls_when_all_requests_arrive_at_once() -> None:
    """`--workers` limits how many calls are handled at once, even if more threads than that have received requests."""
    backend = WatchedBackend(random_mlp())
    with served({"m": backend}) as server, open_silent_calls(server.address) as silent:
        silent.open(PREDICT, 3 * DEFAULT_WORKERS)
        # Queued calls would get no thread after the requests have arrived, because then no thread waits any more.
        wait_until(lambda: waiting_calls(server) == 3 * DEFAULT_WORKERS)
        backend.may_go_on.clear()
        silent.may_send.set()
        wait_until(lambda: len(backend.contexts) + threads_without_slot(server) == 3 * DEFAULT_WORKERS)
        assert DEFAULT_WORKERS == len(backend.contexts)
        backend.may_go_on.set()
        wait_until(lambda: len(backend.contexts) == 3 * DEFAULT_WORKERS)


def test_additional_threads_end_when_the_waits_are_over() -> None:
    """Extra threads, which replace waiting ones, slow down a busy service, so they must end when the waits are over."""
    backend = WatchedBackend(random_mlp())
    before = call_threads()
    with served({"m": backend}) as server:
        with open_silent_calls(server.address) as silent:
            silent.open(PREDICT, 3 * DEFAULT_WORKERS)
            call(server.address, "Predict", MESSAGE)
            wait_until(lambda: len(call_threads() - before) > 3 * DEFAULT_WORKERS)
        wait_until(lambda: len(call_threads() - before) <= DEFAULT_WORKERS)
        call(server.address, "Predict", MESSAGE)
    wait_until(lambda: not call_threads() - before)


def test_calls_over_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queued calls take memory, so their number must be limited."""
    monkeypatch.setattr(server_module, "MAX_CALLS", 6)
    with served({"m": WatchedBackend(random_mlp())}) as server, open_silent_calls(server.address) as silent:
        silent.open(PREDICT, 6)

        def is_refused() -> bool:
            # An accepted attempt has taken the place of a silent call, so open another one before each attempt.
            silent.open(PREDICT, 1)
            return refusal(server.address, "Predict", MESSAGE)[0] == "RESOURCE_EXHAUSTED"

        wait_until(is_refused)
        assert "limit exceeded" in refusal(server.address, "Predict", MESSAGE)[1]


def test_as_many_callers_as_are_benchmarked_are_all_answered() -> None:
    """Calls that merely wait for a free thread must not be refused, as long as the queue's limit is not reached."""
    backend = WatchedBackend(random_mlp())
    backend.may_go_on.clear()
    with served({"m": backend}) as server, ExitStack() as stack:
        futures = []
        for _ in range(64):
            channel = stack.enter_context(grpc.insecure_channel(server.address))
            futures.append(channel.unary_unary(f"/{PREDICT}", None, None).future(MESSAGE, timeout=60))
        assert backend.entered.wait(30)
        backend.may_go_on.set()
        for future in futures:
            assert len(future.result(60)) > 0
