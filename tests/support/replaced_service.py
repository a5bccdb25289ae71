"""
A pytest plugin for a perf run in a process of its own: a service on a fixed port, replaced by another start of it.

The variable REPLACED_SERVICE says which model, which port, and at which moment of the case of batch size 2: `before`
it, or `within` it, when its answers have been checked and its rounds begin.
"""

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from runoff.service.launcher import RunningService, launch

_WORDS = json.loads(os.environ["REPLACED_SERVICE"])
_SERVICES: list[RunningService] = []


def _start() -> None:
    _SERVICES.append(launch("numpy", [_WORDS["model"]], extra_arguments=["--port", str(_WORDS["port"])]))


def _replace() -> None:
    _SERVICES.pop().stop()
    _start()


def pytest_configure() -> None:
    """Start the first one."""
    _start()


def pytest_unconfigure() -> None:
    """End the last one."""
    while _SERVICES:
        _SERVICES.pop().stop()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Replace it between the cases."""
    if _WORDS["moment"] == "before" and "b2]" in item.name:
        _replace()


def pytest_runtest_call(item: pytest.Function) -> None:
    """Have it replaced when the rounds begin; where it was before, say so if they begin at all."""
    if "b2]" in item.name:
        benchmark: Any = item.funcargs["benchmark"]
        is_replaced = _WORDS["moment"] == "before"
        benchmark.pedantic = _refused if is_replaced else _after_replacing(benchmark.pedantic)


def _refused(*_: Any, **_more: Any) -> None:
    raise AssertionError("rounds of a replaced service")


def _after_replacing(pedantic: Callable[..., Any]) -> Callable[..., Any]:
    def take_rounds(*args: Any, **more: Any) -> Any:
        _replace()
        return pedantic(*args, **more)

    return take_rounds
