"""
The pytest plugin that runs in each gate worker. The coordinator starts it with `pytest -p runoff_gate_worker`.

A worker may run in the baseline's environment, whose runoff may be older or absent. This plugin therefore needs only
the standard library and any version of pytest and pytest-benchmark. It receives requests from the coordinator, one JSON
object per line over the loopback, and runs each round of a benchmark when requested, so that the sides take turns.

    worker                                        coordinator
    {"token": …, "side": 1, "cases": […], …}
                                                  {"request": "begin", "cases": […]}
    for each case:
                                                  {"request": "run"}
    {"state": "ready", "first_call_ns": …}
                                                  {"request": "warm_up", "duration_ns": …}
    {"call_ns": …}
                                                  {"request": "round", "iterations": …}, repeated
    {"round_ns": …}
                                                  {"request": "publish"}, or "drop"
    {"state": "done", "outcome": "passed", …}

The worker exits when the coordinator closes the connection.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NoReturn

import pytest
from runoff_gate_benchmark import BenchmarkOverride, CoordinatedRounds, warm_up
from runoff_gate_cores import CorePinning, descendants

# Remove the settings from the environment, because a pytest process that a test starts must not act as a worker.
SETTINGS: dict[str, Any] = json.loads(os.environ.pop("RUNOFF_GATE_WORKER", "{}"))
# Standard input is a pipe that the coordinator holds open. Duplicate it: pytest's capture replaces descriptor 0.
_COORDINATOR_PIPE = os.dup(0) if SETTINGS else -1
_ORPHAN_GRACE_S = 10.0
# pytest prints a terminal summary only for exit codes that it defines, and 70 is not among them. Nobody would read a
# worker's summary, and Hypothesis alone would take a second to import modules for its empty section of the summary.
_EXIT_CODE = 70
# These values replace the user's, which could make workers overwrite files, select other tests or distort the timing.
_NEUTRAL_OPTIONS: dict[str, Any] = {
    "basetemp": None, "benchmark_autosave": None, "benchmark_compare": None, "benchmark_compare_fail": None,
    "benchmark_cprofile": None, "benchmark_disable": False, "benchmark_enable": True, "benchmark_histogram": [],
    "benchmark_json": None, "benchmark_save": None, "benchmark_skip": False, "collectonly": False, "dist": "no",
    "failedfirst": False, "htmlpath": None, "lf": False, "maxfail": 0, "newfirst": False, "no_cov": True,
    "numprocesses": None, "stepwise": False, "tx": [], "usepdb": False, "xmlpath": None,
}  # fmt: skip


class CoordinatorChannel:
    """The worker's end of the connection to the coordinator."""

    def __init__(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", SETTINGS["port"]), timeout=30)
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self._socket.makefile("rb")

    def send(self, **message: Any) -> None:
        """Send a message; exit pytest if the coordinator has closed the connection."""
        try:
            self._socket.sendall(json.dumps(message, default=str).encode() + b"\n")
        except OSError:
            self._exit()

    def receive(self) -> dict[str, Any]:
        """Wait for the next message; exit pytest if the coordinator closes the connection."""
        try:
            line = self._lines.readline()
        except OSError:
            line = b""
        message: dict[str, Any] = json.loads(line) if line else self._exit()
        return message

    def _exit(self) -> NoReturn:
        pytest.exit("the gate's coordinator has closed the connection", returncode=_EXIT_CODE)


def exit_with_coordinator() -> None:
    """Start a thread that kills this process and its descendants, even if they hang, once the coordinator has ended."""

    def watch() -> None:
        with suppress(OSError):
            while os.read(_COORDINATOR_PIPE, 1):
                pass
        time.sleep(_ORPHAN_GRACE_S)
        for pid in descendants(os.getpid()):
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        os._exit(_EXIT_CODE)

    threading.Thread(target=watch, name="runoff-gate-coordinator-watch", daemon=True).start()


class WorkerPlugin:
    """Runs the cases that the coordinator requests, in the requested order."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._cores = CorePinning(SETTINGS)
        self._channel: CoordinatorChannel  # opened after collection
        self._problems: list[str] = []
        self._reports: list[pytest.TestReport] = []
        self._used = False
        self._durations_s: list[float] = []
        self._iterations = 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Remember collection errors."""
        if report.failed:
            self._problems.append(f"{report.nodeid}: {report.longreprtext[-2000:]}")

    def run_loop(self, session: pytest.Session) -> bool:
        """Send the collected test ids, then run the cases that the coordinator requests."""
        self._channel = CoordinatorChannel()
        items = {item.nodeid: item for item in session.items if "benchmark" in getattr(item, "fixturenames", ())}
        self._channel.send(token=SETTINGS["token"], side=SETTINGS["side"], cases=list(items), problems=self._problems)
        begin = self._channel.receive()
        chosen = [items[case] for case in begin.get("cases", ())]
        for item, following in itertools.zip_longest(chosen, chosen[1:]):
            self._channel.receive()
            self._run(item, following)
        self._channel.receive()
        return True

    def _run(self, item: pytest.Item, following: pytest.Item | None) -> None:
        self._reports, self._used, self._durations_s, self._iterations = [], False, [], 1
        # Keep module and session fixtures open until the result of the last case is sent. Their teardown may stop a
        # server, which can take seconds, and the coordinator waits for the result.
        self._config.hook.pytest_runtest_protocol(item=item, nextitem=following or item.parent)
        outcome, reason = self._outcome()
        fixture = getattr(item, "_runoff_benchmark", None)
        self._channel.send(
            state="done", outcome=outcome, reason=reason, used=self._used,
            durations_s=self._durations_s, iterations=self._iterations,
            extra_info=fixture.extra_info if fixture else {}, group=fixture.group if fixture else None,
        )  # fmt: skip

    def _outcome(self) -> tuple[str, str]:
        for report in self._reports:
            if report.failed:
                return "failed", f"in {report.when}:\n{report.longreprtext[-4000:]}"
        for report in self._reports:
            if report.skipped:
                reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
                return "skipped", str(reason)[:500].removeprefix("Skipped: ")
        return "passed", ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember the reports of the current case."""
        self._reports.append(report)

    @pytest.hookimpl(tryfirst=True, hookwrapper=True)
    def pytest_runtest_call(self, item: Any) -> Iterator[None]:
        """Keep the fixture after its test, because the coordinator needs its `extra_info` and `group`."""
        item._runoff_benchmark = item.funcargs.get("benchmark")
        yield

    def run_rounds(self, run: Callable[[int], float]) -> tuple[list[float], int]:
        """Run the rounds that the coordinator requests while the test waits; see `CoordinatedRounds.run_rounds`."""
        self._used = True
        first_call_s = run(1)
        durations_s: list[float] = []
        iterations = 1
        with self._cores.timed():
            self._channel.send(state="ready", first_call_ns=first_call_s * 1e9)
            while True:
                message = self._channel.receive()
                if message["request"] == "warm_up":
                    self._channel.send(call_ns=warm_up(run, message["duration_ns"]))
                elif message["request"] == "round":
                    iterations = message["iterations"]
                    durations_s.append(run(iterations))
                    self._channel.send(round_ns=durations_s[-1] * 1e9)
                elif message["request"] == "publish":
                    break
                else:
                    return [], 1
        self._durations_s, self._iterations = durations_s, iterations
        return durations_s, iterations


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the gate's options: the user's arguments contain them, and runoff may be missing in this environment."""
    for flag, declared in SETTINGS.get("gate_options", {}).items():
        parser.addoption(flag, **declared)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Reset options that would disturb the gate, and register the plugins that run the cases."""
    if not SETTINGS:
        return
    config.addinivalue_line("markers", "gate(tolerance): how much slower this benchmark may become, such as '10%'")
    for name, value in {**_NEUTRAL_OPTIONS, **SETTINGS.get("set_options", {})}.items():
        if hasattr(config.option, name):
            setattr(config.option, name, value)
    exit_with_coordinator()
    worker = WorkerPlugin(config)
    CoordinatedRounds.run_rounds = staticmethod(worker.run_rounds)
    # pytest uses the fixture that was registered last, so register this one after pytest-benchmark's. A fixture in this
    # module would be too early, because pytest loads this module before pytest-benchmark.
    config.pluginmanager.register(BenchmarkOverride(), "runoff-gate-benchmark")
    config.pluginmanager.register(worker, "runoff-gate-worker")


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run the requested cases instead of pytest's test loop, unless another plugin has already replaced the loop."""
    worker = session.config.pluginmanager.get_plugin("runoff-gate-worker")
    return worker.run_loop(session) if isinstance(worker, WorkerPlugin) else None
