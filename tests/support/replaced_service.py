"""
A pytest plugin for perf runs in a separate process. It starts a service and later replaces it with a new process.

The environment variable REPLACED_SERVICE holds a JSON object with the service's `model` and `port`, and the `moment` of
the replacement: `before` the case of batch size 2, or `within` it, after the check of its outputs and before its
rounds.
"""

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from runoff.service.launcher import RunningService, launch

_CONFIG = json.loads(os.environ["REPLACED_SERVICE"])
_SERVICES: list[RunningService] = []


def _start() -> None:
    _SERVICES.append(launch("numpy", [_CONFIG["model"]], extra_arguments=["--port", str(_CONFIG["port"])]))


def _replace() -> None:
    _SERVICES.pop().stop()
    _start()


def pytest_configure() -> None:
    """Start the first service."""
    _start()


def pytest_unconfigure() -> None:
    """Stop the last service."""
    while _SERVICES:
        _SERVICES.pop().stop()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Replace the service before the case with batch size 2 if the configured moment is `before`."""
    if _CONFIG["moment"] == "before" and "b2]" in item.name:
        _replace()


def pytest_runtest_call(item: pytest.Function) -> None:
    """For the moment `before`, fail if the rounds start at all. Otherwise, replace the service before the rounds."""
    if "b2]" in item.name:
        benchmark: Any = item.funcargs["benchmark"]
        is_replaced = _CONFIG["moment"] == "before"
        benchmark.pedantic = _refused if is_replaced else _after_replacing(benchmark.pedantic)


def _refused(*_: Any, **_more: Any) -> None:
    raise AssertionError("the suite began the rounds of a replaced service")


def _after_replacing(pedantic: Callable[..., Any]) -> Callable[..., Any]:
    def take_rounds(*args: Any, **more: Any) -> Any:
        _replace()
        return pedantic(*args, **more)

    return take_rounds
