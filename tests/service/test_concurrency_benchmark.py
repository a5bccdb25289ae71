"""The benchmark of concurrent callers stops all services that it has started."""

from typing import Self

import pytest

from benchmarks import service_concurrency
from benchmarks.service_concurrency import Setup
from runoff.errors import ServiceError


class FakeService:
    """A fake service that records whether it has been stopped."""

    address = "127.0.0.1:1"
    stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped = True


def test_service_is_stopped_when_another_of_its_setup_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a service kept running after a failed start, it would slow down the next measurement."""
    first = FakeService()
    starts = [first]

    def launch(*_: object, **_options: object) -> FakeService:
        if not starts:
            raise ServiceError("no memory")
        return starts.pop()

    monkeypatch.setattr(service_concurrency, "launch", launch)
    with (
        pytest.raises(ServiceError, match="no memory"),
        service_concurrency.serving(Setup("threads", 1, processes=2), "null"),
    ):
        pass
    assert first.stopped
