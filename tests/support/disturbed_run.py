"""
A pytest plugin that tests load into a perf run in a separate process.

It sends a signal just before the rounds with batch size 2 begin.

The environment variable DISTURBANCE holds JSON: `target` is `service` or `run`, `signal` the signal's name, and
`pid_file` the file into which the plugin writes the pid of the service.
"""

import json
import os
import signal
from collections.abc import Callable
from functools import partial, partialmethod
from pathlib import Path
from typing import Any

import psutil
import pytest

from runoff.backends import grpc_backend
from runoff.service.launcher import RunningService

_DISTURBANCE = json.loads(os.environ["DISTURBANCE"])


def pytest_configure() -> None:
    """Shorten deadlines, so that runs with a suspended service end soon. Make SIGINT raise KeyboardInterrupt again."""
    grpc_backend.open_grpc = partial(grpc_backend.open_grpc, timeout_s=4.0)
    RunningService.stop = partialmethod(RunningService.stop, timeout_s=0.5)  # type: ignore[assignment, method-assign]
    # Shells start background processes with SIGINT ignored, so set Python's default handler again.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_call(item: pytest.Function) -> None:
    """Send the signal just before the rounds of the case with batch size 2."""
    if "b2]" in item.name:
        benchmark: Any = item.funcargs["benchmark"]
        benchmark.pedantic = _after_signal(benchmark.pedantic)


def _after_signal(pedantic: Callable[..., Any]) -> Callable[..., Any]:
    def take_rounds(*args: Any, **more: Any) -> Any:
        service = next(child for child in psutil.Process().children() if "serve" in child.cmdline())
        Path(_DISTURBANCE["pid_file"]).write_text(str(service.pid))
        target = service.pid if _DISTURBANCE["target"] == "service" else os.getpid()
        os.kill(target, signal.Signals[_DISTURBANCE["signal"]])
        return pedantic(*args, **more)

    return take_rounds
