"""
The pytest plugin that saves benchmark runs safely and prints a report of their results.

It does nothing unless the suite's ini file contains `runoff_save = true`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from runoff.errors import RecordError

if TYPE_CHECKING:  # a suite that uses only the gate should not have to import NumPy and msgspec
    from runoff.records.store import AtomicStore

pytest_plugins = ("runoff.gate.plugin",)

# Options that affect pytest-benchmark's tables. If the user passes one, the tables are printed below runoff's report.
_TABLE_OPTIONS = (
    "benchmark_columns", "benchmark_compare_fail", "benchmark_cprofile", "benchmark_histogram", "benchmark_verbose",
)  # fmt: skip
_MORE = "see more with -v: throughput, answers of each case, where the time of a call goes, pytest-benchmark's tables"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini setting."""
    parser.addini("runoff_save", "save every benchmark run atomically and print runoff's report", "bool", False)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin's hooks if `runoff_save` is true and pytest-benchmark is installed."""
    from runoff.gate.plugin import is_worker

    # A worker process of the gate measures only one of many blocks, so the gate's main process saves the run instead.
    if config.getini("runoff_save") and config.pluginmanager.hasplugin("benchmark") and not is_worker():
        config.pluginmanager.register(SavedRuns(config), "runoff-saved-runs")


class SavedRuns:
    """Hooks that save the results of a benchmark run, mark incomplete runs, and print runoff's report."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._passed: set[str] = set()
        # Maps the id of each failed test to whether it is a benchmark.
        self._failed: dict[str, bool] = {}
        self._incomplete_because = ""
        # The store stays None if --benchmark-storage names no folder, for example an Elasticsearch server.
        self._store: AtomicStore | None = None
        # Keep all runs of a suite in one folder. pytest-benchmark's default is relative to the working directory.
        if config.option.benchmark_storage == "file://./.benchmarks":
            config.option.benchmark_storage = f"file://{config.rootpath / '.benchmarks'}"
        # For --benchmark-compare, pytest-benchmark would read saved runs with its own storage, which fails on malformed
        # files. So turn the option off here, and read the runs in pytest_sessionstart.
        self._compare = config.option.benchmark_compare
        config.option.benchmark_compare = None

    @property
    def _benchmarks(self) -> Any:  # pytest-benchmark has no types
        """The session object of pytest-benchmark, which holds its options and results."""
        return self._config._benchmarksession  # type: ignore[attr-defined]  # set by pytest-benchmark

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self) -> None:
        """Replace pytest-benchmark's storage by AtomicStore. Check that its folder is writable before timing starts."""
        from pytest_benchmark.storage.file import FileStorage

        from runoff.records.store import AtomicStore

        benchmarks = self._benchmarks
        if isinstance(benchmarks.storage, FileStorage):
            old = benchmarks.storage
            self._store = benchmarks.storage = AtomicStore(old.path, old.logger, old.default_machine_id)
            measures = not (benchmarks.disabled or benchmarks.skip or self._config.option.collectonly)
            if measures and not benchmarks.xdist_worker:
                try:
                    self._store.check_writable()
                except RecordError as error:
                    raise pytest.UsageError(str(error)) from None
        if self._compare:
            benchmarks.compare = self._compare
            benchmarks.handle_loading()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Record which tests passed, because only benchmarks of passed tests are saved."""
        from runoff.gate.plugin import is_benchmark

        report = yield
        if report.failed:
            self._failed[report.nodeid] = is_benchmark(item)
            fixture = getattr(item, "funcargs", {}).get("benchmark")
            if fixture is not None:
                # Prevent pytest-benchmark's warning that the failed test did not use its benchmark fixture.
                fixture.skipped = True
        elif call.when == "call" and report.passed:
            self._passed.add(report.nodeid)
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, None, None]:
        """Drop the benchmarks of tests that did not pass, then let pytest-benchmark save the others."""
        benchmarks = self._benchmarks
        # Change the list in place, because pytest-benchmark's fixtures keep a reference to it.
        benchmarks.benchmarks[:] = [b for b in benchmarks.benchmarks if b and b.fullname in self._passed]
        self._incomplete_because = self._why_incomplete(session, exitstatus)
        if benchmarks.benchmarks and not (benchmarks.save or benchmarks.autosave):
            from pytest_benchmark.utils import get_tag

            benchmarks.autosave = get_tag(self._config.getoption("benchmark_project_name", None))
        return (yield)

    def _why_incomplete(self, session: pytest.Session, exitstatus: int) -> str:
        """Return the reason why the run did not measure every case, or an empty string if it measured them all."""
        from runoff.gate.plugin import NO_BASELINE_BECAUSE
        from runoff.units import format_items

        ended: dict[int, str] = {
            pytest.ExitCode.INTERRUPTED: "interrupted",
            pytest.ExitCode.INTERNAL_ERROR: "an internal error",
        }
        failed = f"{format_items(len(self._failed), 'test')} failed" if self._failed else ""
        stopped = str(session.shouldstop or session.shouldfail or "")
        no_baseline = self._config.stash.get(NO_BASELINE_BECAUSE, "")
        return ended.get(exitstatus, "") or failed or stopped or no_baseline

    @pytest.hookimpl(optionalhook=True)
    def pytest_benchmark_update_json(self, output_json: dict[str, Any]) -> None:
        """Add runoff's record of the whole run to the JSON that pytest-benchmark saves."""
        import msgspec

        from runoff.records.run_record import describe_run

        output_json["runoff"] = msgspec.to_builtins(describe_run(self._incomplete_because))

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print runoff's report, the path of the saved run, and how to see more details."""
        measured = [b for b in self._benchmarks.benchmarks if b and "runoff" in b.extra_info]
        if measured:
            terminalreporter.section("runoff", sep="=")
        lines, more = self._report(measured) if measured else ([], [])
        for line in [*lines, *self._store_lines(), *more]:
            terminalreporter.line(line)

    def _report(self, measured: Sequence[Any]) -> tuple[list[str], list[str]]:
        """Return the report on benchmarks that runoff measured, and lines that explain how to see more details."""
        import msgspec
        import numpy as np

        from runoff.records.run_record import describe_run
        from runoff.records.schema import CaseRecord
        from runoff.report.earlier_run import closest_earlier_run, earlier_run_lines
        from runoff.report.measured import MeasuredCase
        from runoff.report.run_report import comparison_lines
        from runoff.report.saved_files import command_lines

        records = msgspec.convert([b.extra_info["runoff"] for b in measured], type=list[CaseRecord])
        cases = [MeasuredCase(record, np.array(b.stats.data)) for record, b in zip(records, measured, strict=True)]
        detailed = self._config.option.verbose > 0
        lines = comparison_lines(cases, sum(self._failed.values()), detailed=detailed)
        more = [] if detailed else [_MORE]
        store, folder = self._store, self._config.invocation_params.dir
        if store is not None:
            earlier_runs = ((path, run) for path, run in store.runs_newest_first() if path != store.saved)
            earlier = closest_earlier_run(describe_run(""), records, earlier_runs)
            lines += ["", *earlier_run_lines(earlier, len(records))] if earlier else []
            if store.saved:
                more += command_lines(store.saved, earlier.path if earlier else None, folder)
        asks_for_tables = self._compare or any(self._config.getoption(name) for name in _TABLE_OPTIONS)
        if not detailed and not asks_for_tables and len(measured) == len(self._benchmarks.benchmarks):
            self._benchmarks.quiet = True  # pytest-benchmark's tables would repeat the report's numbers
        return lines, more

    def _store_lines(self) -> list[str]:
        """Return lines with the path of the saved run and with warnings about unreadable files."""
        from runoff.files.short_path import short_path
        from runoff.report.saved_files import skipped_lines

        store = self._store
        if store is None:
            return []
        lines = skipped_lines(store.skipped)
        if store.saved:
            lines += ["", f"saved as {short_path(store.saved, self._config.invocation_params.dir)}"]
            if self._incomplete_because:
                lines.append(f"the saved run is marked incomplete: {self._incomplete_because}; it is never a baseline")
        return lines
