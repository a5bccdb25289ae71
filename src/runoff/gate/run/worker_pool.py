"""Start fresh workers for each block while the workers of the previous block shut down."""

from collections.abc import Callable
from typing import Self

from runoff.gate.run.workers import WorkerSet


class WorkerPool:
    """A context manager that starts workers and, on exit, stops every worker that is still running."""

    def __init__(self, start: Callable[[list[str]], WorkerSet]) -> None:
        """Create a pool. `start` is a function that starts the workers for the given test files."""
        self._start = start
        self._running: WorkerSet | None = None
        self._closing: WorkerSet | None = None

    def start_next(self, files: list[str]) -> WorkerSet:
        """
        Start fresh workers that collect these test files or, without files, everything that the user selected.

        Meanwhile, the previous workers shut down. They have ended when this function returns.

        Raises:
            WorkerLost: If a worker ends, or does not connect in time.
            OSError: If a process cannot be started.
        """
        self._closing, self._running = self._running, None
        if self._closing is not None:
            self._closing.disconnect()
        self._running = self._start(files)
        self._stop_closing()
        return self._running

    def _stop_closing(self) -> None:
        if self._closing is not None:
            self._closing.stop()
            self._closing = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._stop_closing()
        finally:
            if self._running is not None:
                self._running.stop()
