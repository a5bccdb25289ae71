"""
The threads that handle calls, and how callers who open calls and send nothing are kept from holding all of them.

gRPC's Python server waits for a call's message on the thread that will handle it. With a fixed pool, as many callers
as it has threads could stop a service, health included, by opening a call each. Here a thread that waits for a
message for long is not counted, others are hired, and at the most the longest waits are cut off.
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

# A message comes with its call or a few ms behind it. If a call has queued for so long, threads may be waiting for
# messages that do not come. Health checks commonly have a second: this leaves room for many steps.
_PATIENCE_S = 0.2
_STEP_S = 0.05
# Each step hires three for each thread that waits: 2 openers make 8 threads of 2, 250 are passed after four steps.
_HIRED_PER_WAIT = 3
# A waiting thread and its call take some 50 KB, and what has come of its message. Streams are at most half of these.
MAX_THREADS = 256
# With MAX_THREADS all waiting, or at the service's end, those are cut off whose message has not come for so long. It is
# not less, for a large message over a slow line is no attack, and not more, for until then nobody else is answered.
_CUT_OFF_S = 1.0

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Crew(Executor):
    """
    The executor of a gRPC server: `workers` threads, and as many more as wait for messages.

    Calls queue only while every thread has one, so each call that is done makes its thread take the next; what the
    threads cannot do by themselves, because they wait, the watching thread does for them.

    Attributes:
        at_work: Held by whoever handles a message that has come, so no more than `workers` do.
    """

    def __init__(self, workers: int) -> None:
        self.at_work = threading.BoundedSemaphore(workers)
        self._workers = workers
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # Since when each call in that queue is there.
        self._queued: deque[float] = deque()
        # The counts: threads, and calls that queue or are at a thread.
        self._lock = threading.Lock()
        self._threads = 0
        self._load = 0
        # Since when, oldest first.
        self._waits: dict[grpc.ServicerContext, float] = {}
        self._is_short = threading.Event()
        self._is_over = threading.Event()
        threading.Thread(target=self._watch, name="crew", daemon=True).start()

    def submit(
        self, function: Callable[_Arguments, _Result], /, *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> "Future[_Result]":
        """Queue a call."""
        future: Future[_Result] = Future()
        self._queued.append(time.monotonic())
        self._tasks.put(partial(_settle, future, partial(function, *arguments, **named)))
        with self._lock:
            self._load += 1
            if self._load > self._threads and not (self._threads < self._workers and self._hire()):
                self._is_short.set()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 - Executor's signature
        """Let the threads end once everything queued is done; returns at once."""
        self._is_over.set()
        self._is_short.set()
        self._tasks.put(None)

    @contextmanager
    def uncounted(self, context: grpc.ServicerContext, *, at_once: bool = True) -> Iterator[None]:
        """
        Mark this thread as one that waits for a caller and cannot be counted on for others.

        Args:
            context: The call that it waits for, which may be cut off when there are too many, or at the end.
            at_once: Hire another for it now, not when one is missed: the wait is known to be long.
        """
        if at_once:
            with self._lock:
                if self._threads < MAX_THREADS:
                    self._hire()
        self._waits[context] = time.monotonic()
        try:
            yield
        finally:
            del self._waits[context]

    def cut_off(self) -> None:
        """End the calls whose callers have been waited for too long."""
        long_ago = time.monotonic() - _CUT_OFF_S
        # Copied in one step, for waits begin and end meanwhile.
        for context, since in list(self._waits.items()):
            if since < long_ago:
                # gRPC lets nobody but the waiting thread give a call another status than CANCELLED.
                context.cancel()  # type: ignore[no-untyped-call] # grpc's stubs leave it out

    def _hire(self) -> bool:
        """Start a thread, with the lock held; return whether the system let us."""
        try:
            threading.Thread(target=self._work, name="call").start()
        except RuntimeError:
            # A limit of the container's, say. Whoever is missed is looked after once threads or calls have ended.
            return False
        self._threads += 1
        return True

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            self._queued.popleft()
            task()
            del task  # what an idle thread kept of a call, its message above all, would stay in memory
            with self._lock:
                self._load -= 1
                if self._threads - len(self._waits) > self._workers:
                    self._threads -= 1
                    return
        # The next thread ends by the same mark.
        self._tasks.put(None)

    def _watch(self) -> None:
        """Look after the threads while calls queue; asleep otherwise."""
        while self._is_short.wait() and not self._is_over.is_set():
            self._is_short.clear()
            while self._queued and not self._is_over.wait(_STEP_S):
                with suppress(IndexError):  # taken up just now
                    # The oldest one's age, and not whether anything moves: callers who come and go move a little.
                    if time.monotonic() - self._queued[0] > _PATIENCE_S:
                        self._relieve()

    def _relieve(self) -> None:
        """Hire for the threads that wait, or cut off what they wait for."""
        with self._lock:
            room = MAX_THREADS - self._threads
            missing = max(self._workers - self._threads, _HIRED_PER_WAIT * len(self._waits))
            hired = [self._hire() for _ in range(min(room, missing, len(self._queued)))]
        if not room or not all(hired):
            self.cut_off()


def _settle(future: "Future[_Result]", function: Callable[[], _Result]) -> None:
    try:
        result = function()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
