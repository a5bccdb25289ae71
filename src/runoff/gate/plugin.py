"""
The gate's pytest plugin: `pytest --gate-against BASELINE` compares benchmarks with a baseline.

Ordinary tests run as usual. Benchmarks run in worker processes on both sides. Afterwards, each benchmark is reported as
a test of this pytest session with the candidate's rounds, so it appears in tables, saved runs and JUnit files as usual.
"""

import dataclasses
import os
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runoff.errors import RunoffError
from runoff.gate.options import MARKER, GateOptions, add_options, parse_options

if TYPE_CHECKING:
    from runoff.gate.baseline.side import Invocation
    from runoff.gate.run.result import GateResult

# The reason, if any, why this run must never become a baseline. The plugin that saves runs reads the reason.
NO_BASELINE_BECAUSE = pytest.StashKey[str]()


def is_worker() -> bool:
    """Return whether this process is a gate worker. In a worker, a different plugin declares the gate's options."""
    return "runoff_gate_worker" in sys.modules


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the gate's options."""
    if not is_worker():
        add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Check the options before any test runs, and activate the gate if the options request it."""
    if is_worker():
        return
    config.addinivalue_line("markers", MARKER)
    try:
        options = parse_options(config)
    except RunoffError as error:
        raise pytest.UsageError(str(error)) from None
    if options is not None:
        config.pluginmanager.register(GatePlugin(config, options), "runoff-gate-run")


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run the gate instead of pytest's test loop, unless another plugin has already replaced that loop."""
    plugin = session.config.pluginmanager.get_plugin("runoff-gate-run")
    return plugin.run_loop(session) if isinstance(plugin, GatePlugin) else None


class GatePlugin:
    """The hooks of a gated pytest run."""

    def __init__(self, config: pytest.Config, options: GateOptions) -> None:
        self._config = config
        self._options = options
        self._result: GateResult | None = None

    @cached_property
    def _invocation(self) -> "Invocation":
        """The user's pytest command line. It is cached, because finding the checkout starts git."""
        from runoff.gate.invocation import invocation_of

        return invocation_of(self._config)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Deselect all tests except benchmarks if the option --gate-only is given."""
        if self._options.only:
            ordinary = [item for item in items if not is_benchmark(item)]
            items[:] = [item for item in items if is_benchmark(item)]
            if ordinary:
                config.hook.pytest_deselected(items=ordinary)

    def run_loop(self, session: pytest.Session) -> bool:
        """Run the ordinary tests, then the comparison, and finally report each benchmark as a test."""
        if session.testsfailed and not session.config.option.continue_on_collection_errors:
            raise session.Interrupted(f"{session.testsfailed} errors during collection")
        if session.config.option.collectonly:
            return True
        ordinary = [item for item in session.items if not is_benchmark(item)]
        benchmarks = [item for item in session.items if is_benchmark(item)]
        _run_items(session, ordinary)
        # If the comparison raises an exception, for example after Ctrl-C, this run must not become a baseline.
        self._config.stash[NO_BASELINE_BECAUSE] = "the gate did not finish"
        from runoff.gate.replay import replay
        from runoff.gate.run_in_pytest import compare

        self._result = compare(self._config, self._options, self._invocation, benchmarks)
        self._config.stash[NO_BASELINE_BECAUSE] = self._result.no_baseline_because
        for item in benchmarks:
            replay(item, self._result)
        _run_items(session, benchmarks)
        return True

    @pytest.hookimpl(optionalhook=True)
    def pytest_benchmark_update_json(self, output_json: dict[str, Any]) -> None:
        """Add the verdicts to the saved run."""
        if self._result is not None:
            from runoff.gate.report import as_json

            output_json["gate"] = as_json(self._result, self._result.exit_code(strict=self._options.strict))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int | pytest.ExitCode) -> None:
        """Set the gate's exit code. If a test failed, keep pytest's exit code, which shows that the code is broken."""
        if self._result is None:
            return
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = self._result.exit_code(strict=self._options.strict)
        problems = self._write_markdown(self._result)
        self._result = dataclasses.replace(self._result, notes=(*self._result.notes, *problems))

    def _write_markdown(self, result: "GateResult") -> list[str]:
        """Write the verdicts to the Markdown file and to GitHub's job summary. Return a message per failed write."""
        from runoff.gate.report import markdown_lines

        text = "\n".join(markdown_lines(result, self._invocation)) + "\n"
        problems = []
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        for path, mode in ((self._options.markdown, "w"), (Path(summary) if summary else None, "a")):
            if path is not None:
                try:
                    with path.open(mode, encoding="utf-8") as file:
                        file.write(text)
                except OSError as error:
                    problems.append(f"{path}: the verdicts could not be written: {error.strerror}")
        return problems

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the verdicts, the worst first."""
        if self._result is None:
            return
        from runoff.gate.report import terminal_lines

        terminalreporter.section("gate", sep="=")
        for line in terminal_lines(self._result, self._invocation):
            terminalreporter.line(line)


def is_benchmark(item: pytest.Item) -> bool:
    """Return whether a test requests the fixture `benchmark`, directly or through other fixtures."""
    return "benchmark" in getattr(item, "fixturenames", ())


def _run_items(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Run tests one after another, as pytest's own test loop does."""
    for index, item in enumerate(items):
        following = items[index + 1] if index + 1 < len(items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
