"""
A thread pool for gRPC calls that keeps answering even if some clients open calls and then send nothing.

gRPC's Python server waits for a call's request on the thread that will handle the call. With a fixed pool, as many
clients as the pool has threads could stop the service, health checks included, by opening one call each. In this pool,
a thread that waits for a request does not count as a worker: the pool starts further threads, and once MAX_THREADS
threads exist, it cancels the calls that have waited longest.

gRPC's own means do not help. `grpc.aio` needs no thread for a silent client, but makes every call slower (the figures
are in benchmarks/reports/service_speed.md). Silent calls count towards `maximum_concurrent_rpcs`, so they can use up
that limit. `grpc.max_connection_idle_ms` closes only connections without any call, and `grpc.max_concurrent_streams`
limits the calls of each connection but not the number of connections.

Memory: gRPC receives a request only when a thread has been assigned to its call. So all clients together occupy at most
max(MAX_THREADS, workers) x max_message_bytes with requests: 2 GiB for messages of 32 MiB. Each queued call occupies one
receive window (server.RECEIVE_WINDOW_BYTES), and at most `workers` threads hold a decoded batch and a response.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from functools import partial
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

import grpc

# Requests normally arrive within milliseconds. If a call has been queued for longer than 0.2 s, all threads may be
# waiting for requests that never arrive. 0.2 s is well below 1 s, a common timeout of health checks.
_MAX_QUEUE_S = 0.2
_CHECK_INTERVAL_S = 0.05
# Each check starts three threads per waiting thread, so three checks turn 2 threads into 8, 32 and then MAX_THREADS.
_STARTED_PER_WAIT = 3
# Limits the memory that requests occupy, because each thread holds at most one request. Streams use at most three
# quarters of these threads (call_interceptor.MAX_STREAMS).
MAX_THREADS = 64
# A call whose request has not arrived after this time is cancelled at shutdown, or when no more threads can be started.
# A shorter limit would cancel large requests on slow connections; a longer limit would delay other calls.
_MAX_WAIT_S = 1.0

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class CallThreadPool(Executor):
    """
    The executor of a gRPC server. It has `workers` threads, plus a replacement for each that waits for a request.

    A thread that finishes a call takes the next one from the queue. A monitor thread starts further threads when calls
    stay in the queue because the existing threads wait for requests.

    Attributes:
        compute_slots: A semaphore held while a received request is handled, so that at most `workers` threads compute.
    """

    def __init__(self, workers: int) -> None:
        self.compute_slots = threading.BoundedSemaphore(workers)
        self._workers = workers
        self._max_threads = max(MAX_THREADS, workers)
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # The time at which each task in `_tasks` was queued, oldest first.
        self._queue_times: deque[float] = deque()
        # Protects `_threads` and `_open_calls`. A call is open while it is queued or assigned to a thread.
        self._lock = threading.Lock()
        self._threads = 0
        self._open_calls = 0
        # The time at which each waiting call began to wait, oldest first.
        self._wait_starts: dict[grpc.ServicerContext, float] = {}
        self._has_queue = threading.Event()
        self._is_shut_down = threading.Event()
        threading.Thread(target=self._monitor, name="call-monitor", daemon=True).start()

    def submit(
        self, function: Callable[_Arguments, _Result], /, *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> "Future[_Result]":
        """Queue a call."""
        future: Future[_Result] = Future()
        self._queue_times.append(time.monotonic())
        self._tasks.put(partial(_complete, future, partial(function, *arguments, **named)))
        with self._lock:
            self._open_calls += 1
            if self._open_calls > self._threads and not (self._threads < self._workers and self._start_thread()):
                self._has_queue.set()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 - Executor's signature
        """Make the threads end once all queued calls have been handled. Return immediately."""
        self._is_shut_down.set()
        self._has_queue.set()
        self._tasks.put(None)

    @contextmanager
    def waiting(self, context: grpc.ServicerContext, *, replace_now: bool = True) -> Iterator[None]:
        """
        Mark this thread as waiting for its client, so that the pool does not count it as a worker.

        Args:
            context: The call of that client. It may be cancelled when too many threads wait, or at shutdown.
            replace_now: Start another thread immediately because this wait will be long, instead of when calls queue.
        """
        if replace_now:
            with self._lock:
                if self._threads < self._max_threads:
                    self._start_thread()
        self._wait_starts[context] = time.monotonic()
        try:
            yield
        finally:
            del self._wait_starts[context]

    def cancel_longest_waits(self) -> None:
        """Cancel every call that has kept a thread waiting for its client for longer than _MAX_WAIT_S."""
        latest_start = time.monotonic() - _MAX_WAIT_S
        # Iterate over a copy, because other threads add and remove entries. list() makes the copy in one step.
        for context, start in list(self._wait_starts.items()):
            if start < latest_start:
                # The client gets the status CANCELLED: only the thread that handles a call can set another status.
                context.cancel()  # type: ignore[no-untyped-call] # missing in grpc-stubs

    def _start_thread(self) -> bool:
        """Start a thread and return whether the operating system allowed it. The caller must hold the lock."""
        try:
            threading.Thread(target=self._handle_calls, name="call").start()
        except RuntimeError:
            # A container may limit the number of threads. The monitor retries while calls are queued.
            return False
        self._threads += 1
        return True

    def _handle_calls(self) -> None:
        while (task := self._tasks.get()) is not None:
            self._queue_times.popleft()
            task()
            del task  # otherwise an idle thread would keep the finished call's request in memory
            with self._lock:
                self._open_calls -= 1
                if self._threads - len(self._wait_starts) > self._workers:
                    self._threads -= 1
                    return
        # Put the end marker back into the queue, so that the next thread ends, too.
        self._tasks.put(None)

    def _monitor(self) -> None:
        """Sleep until calls are queued, then start threads or cancel waiting calls until the queue is empty."""
        while self._has_queue.wait() and not self._is_shut_down.is_set():
            self._has_queue.clear()
            while self._queue_times and not self._is_shut_down.wait(_CHECK_INTERVAL_S):
                with suppress(IndexError):  # a thread may just have emptied the queue
                    # Check the oldest call's age, not whether the queue moves: it also moves when clients drop calls.
                    if time.monotonic() - self._queue_times[0] > _MAX_QUEUE_S:
                        self._shorten_queue()

    def _shorten_queue(self) -> None:
        """Start threads to replace waiting ones. If a limit prevents this, cancel the calls with the longest waits."""
        with self._lock:
            available = max(0, self._max_threads - self._threads)
            missing = max(self._workers - self._threads, _STARTED_PER_WAIT * len(self._wait_starts))
            started = [self._start_thread() for _ in range(min(available, missing, len(self._queue_times)))]
        if not available or not all(started):
            self.cancel_longest_waits()


def _complete(future: "Future[_Result]", function: Callable[[], _Result]) -> None:
    try:
        result = function()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
