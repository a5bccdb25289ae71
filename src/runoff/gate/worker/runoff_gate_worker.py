"""
The plugin of the gate's children: `pytest -p runoff_gate_worker`, started by the gate's coordinator and by nobody else.

It runs in the baseline's environment too, whose runoff may be older or absent: it needs the standard library, pytest
and pytest-benchmark, of any version. It waits for the coordinator's words, one JSON object a line over the loopback;
within a benchmark it runs rounds when told to, so that the sides take turns.

    child                                    coordinator
    {"token": …, "side": 1, "cases": […], …} {"do": "begin", "cases": […]}
    (per case)                               {"do": "run"}
    {"at": "ready", "first_call_ns": …}      {"do": "warm", "ns": …}, {"do": "round", "calls": …} …, {"do": "publish"}
    {"call_ns": …}, {"ns": …} …              or {"do": "drop"}
    {"at": "done", "outcome": "passed", …}
                                             {"do": "quit"}
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
from runoff_gate_benchmark import OverridingBenchmark, TurnTaking, warm_up
from runoff_gate_cores import Cores, descendants

# Taken out of the environment: a pytest run that a test starts is no child of the gate.
SETTINGS: dict[str, Any] = json.loads(os.environ.pop("RUNOFF_GATE_WORKER", "{}"))
# Held open by the coordinator. Taken now: pytest's capture is about to put another file at 0.
_LIFELINE = os.dup(0) if SETTINGS else -1
_ORPHAN_GRACE_S = 10.0
# None of pytest's own: after one that it does not know it asks no plugin for a summary. Nobody would read a child's,
# and to say nothing Hypothesis alone imports for a second.
_EXIT_CODE = 70
# What would write over the parent's files, choose other tests or measure differently; with the value that does not.
_QUIET_OPTIONS: dict[str, Any] = {
    "basetemp": None, "benchmark_autosave": None, "benchmark_compare": None, "benchmark_compare_fail": None,
    "benchmark_cprofile": None, "benchmark_disable": False, "benchmark_enable": True, "benchmark_histogram": [],
    "benchmark_json": None, "benchmark_save": None, "benchmark_skip": False, "collectonly": False, "dist": "no",
    "failedfirst": False, "htmlpath": None, "lf": False, "maxfail": 0, "newfirst": False, "no_cov": True,
    "numprocesses": None, "stepwise": False, "tx": [], "usepdb": False, "xmlpath": None,
}  # fmt: skip


class Channel:
    """The words to and from the coordinator."""

    def __init__(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", SETTINGS["port"]), timeout=30)
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self._socket.makefile("rb")

    def send(self, **word: Any) -> None:
        """Send one word; ends the run if nobody listens any more."""
        try:
            self._socket.sendall(json.dumps(word, default=str).encode() + b"\n")
        except OSError:
            self._gone()

    def receive(self) -> dict[str, Any]:
        """Wait for the next word; ends the run if there will be none."""
        try:
            line = self._lines.readline()
        except OSError:
            line = b""
        word: dict[str, Any] = json.loads(line) if line else self._gone()
        return word

    def _gone(self) -> NoReturn:
        pytest.exit("the gate's coordinator is gone", returncode=_EXIT_CODE)


def die_with_the_coordinator() -> None:
    """End this process and what it started if the coordinator is gone, even in the midst of the suite's own code."""

    def watch() -> None:
        with suppress(OSError):
            while os.read(_LIFELINE, 1):
                pass
        time.sleep(_ORPHAN_GRACE_S)
        for pid in descendants(os.getpid()):
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        os._exit(_EXIT_CODE)

    threading.Thread(target=watch, name="runoff-gate-lifeline", daemon=True).start()


class WorkerPlugin:
    """Runs the cases that the coordinator names, in its order."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._cores = Cores(SETTINGS)
        self._channel: Any = None
        self._problems: list[str] = []
        self._reports: list[pytest.TestReport] = []
        self._used = False
        self._published: list[float] = []
        self._calls = 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what could not be collected."""
        if report.failed:
            self._problems.append(f"{report.nodeid}: {report.longreprtext[-2000:]}")

    def run_loop(self, session: pytest.Session) -> bool:
        """Say what was collected, then do as told."""
        self._channel = Channel()
        items = {item.nodeid: item for item in session.items if "benchmark" in getattr(item, "fixturenames", ())}
        self._channel.send(token=SETTINGS["token"], side=SETTINGS["side"], cases=list(items), problems=self._problems)
        begin = self._channel.receive()
        chosen = [items[case] for case in begin.get("cases", ())]
        for item, following in itertools.zip_longest(chosen, chosen[1:]):
            if self._channel.receive()["do"] == "quit":
                break
            self._run(item, following)
        else:
            self._channel.receive()
        return True

    def _run(self, item: pytest.Item, following: pytest.Item | None) -> None:
        self._reports, self._used, self._published, self._calls = [], False, [], 1
        # After the last one its module and session are kept: ending servers takes time that nobody has to wait for.
        self._config.hook.pytest_runtest_protocol(item=item, nextitem=following or item.parent)
        outcome, reason = self._outcome()
        fixture = getattr(item, "_runoff_benchmark", None)
        self._channel.send(
            at="done", outcome=outcome, reason=reason, used=self._used, durations_s=self._published, calls=self._calls,
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
        """Keep what became of the case."""
        self._reports.append(report)

    @pytest.hookimpl(tryfirst=True, hookwrapper=True)
    def pytest_runtest_call(self, item: Any) -> Iterator[None]:
        """Keep the fixture beyond its test: it holds what the test said about itself."""
        item._runoff_benchmark = item.funcargs.get("benchmark")
        yield

    def take_turns(self, run: Callable[[int], float]) -> tuple[list[float], int]:
        """
        Run rounds as told, in the midst of a test.

        Returns the rounds' durations in seconds and the calls of each.
        """
        self._used = True
        first_call_s = run(1)
        durations: list[float] = []
        calls = 1
        with self._cores.in_duel():
            self._channel.send(at="ready", first_call_ns=first_call_s * 1e9)
            while True:
                word = self._channel.receive()
                if word["do"] == "warm":
                    self._channel.send(call_ns=warm_up(run, word["ns"]))
                elif word["do"] == "round":
                    calls = word["calls"]
                    durations.append(run(calls))
                    self._channel.send(ns=durations[-1] * 1e9)
                elif word["do"] == "publish":
                    break
                else:
                    return [], 1
        self._published, self._calls = durations, calls
        return durations, calls


def pytest_addoption(parser: pytest.Parser) -> None:
    """Know the gate's options, which stand among the arguments, whether or not this environment's runoff does."""
    for flag, takes in SETTINGS.get("gate_options", {}).items():
        if takes == "flag":
            parser.addoption(flag, action="store_true")
        else:
            parser.addoption(flag, nargs="+" if takes == "many" else None)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Leave the parent's files alone, measure everything that is asked for, and stand before pytest-benchmark."""
    if not SETTINGS:
        return
    config.addinivalue_line("markers", "gate(tolerance): how much slower this benchmark may become, such as '10%'")
    for name, value in {**_QUIET_OPTIONS, **SETTINGS.get("set_options", {})}.items():
        if hasattr(config.option, name):
            setattr(config.option, name, value)
    die_with_the_coordinator()
    child = WorkerPlugin(config)
    TurnTaking.take_turns = staticmethod(child.take_turns)
    # Later than pytest-benchmark's module, so its fixture wins; a fixture of this very module would not.
    config.pluginmanager.register(OverridingBenchmark(), "runoff-gate-benchmark")
    config.pluginmanager.register(child, "runoff-gate-child")


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Take the place of pytest's own loop. Stands in the module, which is registered early, to come after conftests."""
    child = session.config.pluginmanager.get_plugin("runoff-gate-child")
    return child.run_loop(session) if isinstance(child, WorkerPlugin) else None
