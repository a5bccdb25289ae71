"""
The pytest plugin: saves benchmark runs safely and prints runoff's own tables under pytest-benchmark's.

It does nothing in a suite that does not ask for it with the ini setting `runoff_save = true`.
"""

from collections.abc import Generator
from typing import Any

import pytest

from runoff.errors import RecordError

pytest_plugins = ("runoff.gate.plugin",)

_DEFAULT_STORAGE = "file://./.benchmarks"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini setting."""
    parser.addini("runoff_save", "save every run of benchmarks, atomically, and print runoff's tables", "bool", False)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Join in where the suite asks for it and pytest-benchmark is there."""
    if config.getini("runoff_save") and config.pluginmanager.hasplugin("benchmark"):
        config.pluginmanager.register(SavedRuns(config), "runoff-saved-runs")


class SavedRuns:
    """Keeps a run's results: what is saved, that it is whole, and the tables made of it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._passed: set[str] = set()
        self._failed = 0
        self._incomplete_because = ""
        # Runs of one suite belong together, wherever pytest was started; "./" would mean the working directory.
        if config.option.benchmark_storage == _DEFAULT_STORAGE:
            config.option.benchmark_storage = f"file://{config.rootpath / '.benchmarks'}"
        # pytest-benchmark would load these with its own storage, which trusts what it reads; see sessionstart.
        self._compare = config.option.benchmark_compare
        config.option.benchmark_compare = None

    @property
    def _benchmarks(self) -> Any:
        return self._config._benchmarksession  # type: ignore[attr-defined]  # where pytest-benchmark keeps its own

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self) -> None:
        """Put the safe store in place of pytest-benchmark's, and find out now whether it can be written."""
        from pytest_benchmark.storage.file import FileStorage

        from runoff.records.store import AtomicStore

        benchmarks = self._benchmarks
        if isinstance(benchmarks.storage, FileStorage):
            old = benchmarks.storage
            benchmarks.storage = AtomicStore(old.path, old.logger, old.default_machine_id)
            measures = not (benchmarks.disabled or benchmarks.skip or self._config.option.collectonly)
            if measures and not benchmarks.xdist_worker:
                try:
                    benchmarks.storage.check_writable()
                except RecordError as error:
                    raise pytest.UsageError(str(error)) from None
        if self._compare:
            benchmarks.compare = self._compare
            benchmarks.handle_loading()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note which tests came to their end: only their benchmarks are saved."""
        report = yield
        if report.failed:
            self._failed += 1
            fixture = getattr(item, "funcargs", {}).get("benchmark")
            if fixture is not None:
                # Else pytest-benchmark warns that a test which failed before it could time anything did not time.
                fixture.skipped = True
        elif call.when == "call" and report.passed:
            self._passed.add(report.nodeid)
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(
        self, session: pytest.Session, exitstatus: int | pytest.ExitCode
    ) -> Generator[None, None, None]:
        """Drop what is not whole, then let pytest-benchmark save the rest."""
        benchmarks = self._benchmarks
        # In place: pytest-benchmark's fixtures append to this very list.
        benchmarks.benchmarks[:] = [b for b in benchmarks.benchmarks if b and b.fullname in self._passed]
        self._incomplete_because = self._why_incomplete(session, exitstatus)
        if benchmarks.benchmarks and not (benchmarks.save or benchmarks.autosave):
            from pytest_benchmark.utils import get_tag

            benchmarks.autosave = get_tag(self._config.getoption("benchmark_project_name", None))
        return (yield)

    def _why_incomplete(self, session: pytest.Session, exitstatus: int | pytest.ExitCode) -> str:
        if exitstatus == pytest.ExitCode.INTERRUPTED:
            return "interrupted"
        if exitstatus == pytest.ExitCode.INTERNAL_ERROR:
            return "an internal error"
        if self._failed:
            return f"{self._failed} tests failed"
        from runoff.gate.plugin import NO_BASELINE_BECAUSE

        stopped = str(session.shouldstop or session.shouldfail or "")
        return stopped or self._config.stash.get(NO_BASELINE_BECAUSE, "")

    @pytest.hookimpl(optionalhook=True)
    def pytest_benchmark_update_json(self, output_json: dict[str, Any]) -> None:
        """Add the record of the whole run."""
        from runoff.records.run import describe_run
        from runoff.records.saved import to_plain

        output_json["runoff"] = to_plain(describe_run(self._incomplete_because))

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print runoff's tables, and what became of the saved runs."""
        measured = self._measured()
        if measured:
            from runoff.report.comparison import comparison_lines

            terminalreporter.section("runoff", sep="=")
            for line in [*comparison_lines(measured), *self._advice(measured)]:
                terminalreporter.line(line)
        for line in self._store_lines():
            terminalreporter.line(line)

    def _measured(self) -> list[Any]:
        """Return this run's cases that runoff measured, with their rounds."""
        found = [b for b in self._benchmarks.benchmarks if "runoff" in b.extra_info]
        if not found:
            return []
        import msgspec
        import numpy as np

        from runoff.records.schema import CaseRecord
        from runoff.report.measured import MeasuredCase

        return [
            MeasuredCase(msgspec.convert(b.extra_info["runoff"], type=CaseRecord), np.array(b.stats.data))
            for b in found
        ]

    def _advice(self, measured: list[Any]) -> list[str]:
        """Return the comparison with the newest earlier run that can be compared; nothing if there is none."""
        from runoff.records.run import describe_run
        from runoff.records.store import AtomicStore
        from runoff.report.advice import advice_lines, closest_earlier_run

        store, now = self._benchmarks.storage, describe_run(self._incomplete_because)
        if not isinstance(store, AtomicStore):
            return []
        records = [case.record for case in measured]
        earlier = ((path, run) for path, run in store.runs_newest_first() if path != store.saved)
        found = closest_earlier_run(now, records, earlier)
        return ["", *advice_lines(found.moved, len(records), found.name)] if found else []

    def _store_lines(self) -> list[str]:
        """Return what the user has to know about saved runs."""
        from runoff.records.store import AtomicStore
        from runoff.report.skipped import skipped_lines

        store = self._benchmarks.storage
        if not isinstance(store, AtomicStore):
            return []
        lines = skipped_lines(store.skipped)
        if self._incomplete_because and store.saved:
            lines.append(f"{store.saved.name} is marked incomplete: {self._incomplete_because}; it is never a baseline")
        if store.rescued:
            lines.append(f"the results could not be saved in {store.folder}; they are in {store.rescued}")
        return lines
