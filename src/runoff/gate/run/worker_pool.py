"""One trio after the other: while the last one closes, the next one starts; both are waiting, and neither is timed."""

from collections.abc import Callable
from typing import Self

from runoff.gate.run.workers import WorkerTrio


class WorkerPool:
    """A context manager that leaves no trio behind."""

    def __init__(self, start: Callable[[list[str]], WorkerTrio]) -> None:
        """Take a function that starts a trio which collects the given files."""
        self._start = start
        self._running: WorkerTrio | None = None
        self._closing: WorkerTrio | None = None

    def next(self, files: list[str]) -> WorkerTrio:
        """
        Start fresh children; the last ones end meanwhile.

        Args:
            files: What they collect; everything that was asked for if empty.

        Returns:
            Children that have collected, with nobody beside them.

        Raises:
            WorkerLost: If one ends or does not come in time.
            OSError: If one cannot be started.
        """
        self._closing, self._running = self._running, None
        if self._closing is not None:
            self._closing.hang_up()
        self._running = self._start(files)
        self._see_off()
        return self._running

    def _see_off(self) -> None:
        if self._closing is not None:
            self._closing.stop()
            self._closing = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._see_off()
        finally:
            if self._running is not None:
                self._running.stop()
