"""
The gate in pytest: `pytest --gate-against BASELINE` compares benchmarks instead of only measuring them.

Ordinary tests run as ever. Benchmarks are run by children on both sides (`runoff.gate`); each is then reported here as
the test that it is, with the candidate's rounds, so that tables, saved runs and JUnit have it as from any run.
"""

import dataclasses
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from runoff.errors import GateError, RunoffError
from runoff.gate.options import GATE_OPTIONS, MARKER, GateOptions, add_options, parse_options, tolerance_of
from runoff.gate.replay import replay

# Why a run with this gate's result must never be a baseline; whoever saves runs reads it.
NO_BASELINE_BECAUSE = pytest.StashKey[str]()
# Shorter gates, for trying things out and for tests: JSON with first_blocks, second_blocks, round_ns, warm_ns, case_ns,
# collect_s, set_up_s, round_s.
_TUNING_VARIABLE = "RUNOFF_GATE_TUNING"


def is_worker() -> bool:
    """Return whether this pytest is a child of a gate: its own plugin then knows the options."""
    return "runoff_gate_worker" in sys.modules


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the gate's options."""
    if not is_worker():
        add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Check the options before anything runs, and join in if a gate is wanted."""
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
    """Take the place of pytest's loop; stands in the module, which is registered early, to come after conftests."""
    plugin = session.config.pluginmanager.get_plugin("runoff-gate-run")
    return plugin.run_loop(session) if isinstance(plugin, GatePlugin) else None


class GatePlugin:
    """One gated run."""

    def __init__(self, config: pytest.Config, options: GateOptions) -> None:
        self._config = config
        self._options = options
        self._result: Any = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave ordinary tests out where only the comparison is wanted."""
        if self._options.only:
            left_out = [item for item in items if not _is_benchmark(item)]
            items[:] = [item for item in items if _is_benchmark(item)]
            if left_out:
                config.hook.pytest_deselected(items=left_out)

    def run_loop(self, session: pytest.Session) -> bool:
        """Run ordinary tests as ever, compare, then report each benchmark."""
        if session.testsfailed and not session.config.option.continue_on_collection_errors:
            raise session.Interrupted(f"{session.testsfailed} errors during collection")
        if session.config.option.collectonly:
            return True
        ordinary = [item for item in session.items if not _is_benchmark(item)]
        benchmarks = [item for item in session.items if _is_benchmark(item)]
        _run_items(session, ordinary)
        self._config.stash[NO_BASELINE_BECAUSE] = "the gate did not come to its end"
        try:
            tolerances = {item.nodeid: tolerance_of(item, self._options.tolerance) for item in benchmarks}
        except RunoffError as error:
            raise pytest.UsageError(str(error)) from None
        self._result = self._compare(tolerances)
        self._config.stash[NO_BASELINE_BECAUSE] = self._result.no_baseline_because
        for item in benchmarks:
            replay(item, self._result)
        _run_items(session, benchmarks)
        return True

    def _compare(self, tolerances: Mapping[str, float]) -> Any:
        from runoff.gate.baseline.lookup import prepare_baseline
        from runoff.gate.baseline.side import candidate_side
        from runoff.gate.run.config import GateConfig
        from runoff.gate.run.core_affinity import choose
        from runoff.gate.run.gate_run import GateRun
        from runoff.gate.run.result import GateResult

        options, call = self._options, _invocation(self._config)
        against = options.against or "other models"
        models = {"model": list(options.models)} if options.models else {}
        with self._telling() as telling:
            try:
                plan, rhythm, deadlines = _tuned(options)
                with prepare_baseline(options.against, models, call, telling.line) as baseline:
                    telling.line(f"gate: this tree against {baseline.label}")
                    question = GateConfig(
                        against, candidate_side(call), baseline, tolerances, _chooser(call), plan, choose(),
                        GATE_OPTIONS, rhythm, deadlines,
                    )  # fmt: skip
                    return GateRun(question, telling).run()
            except GateError as error:
                return GateResult(against, against, options.alpha, refused=str(error))
            except RunoffError as error:
                raise pytest.UsageError(str(error)) from None

    @contextmanager
    def _telling(self) -> Iterator[Any]:
        """Yield who tells the user: lines in a log, and on a terminal what is going on right now."""
        from tqdm import tqdm

        from runoff.gate.run.config import Reporter

        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        capture = self._config.pluginmanager.get_plugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            if reporter is None:
                yield Reporter(lambda _: None, lambda _: None)
                return
            reporter.ensure_newline()
            # No bar: how many blocks there will be is known only in the end.
            with tqdm(bar_format="{desc}", file=sys.stderr, leave=False, disable=not reporter.isatty) as status:

                def tell(text: str) -> None:
                    with tqdm.external_write_mode(file=sys.stderr):
                        reporter.write_line(text)
                        reporter.flush()

                yield Reporter(tell, status.set_description_str)

    @pytest.hookimpl(optionalhook=True)
    def pytest_benchmark_update_json(self, output_json: dict[str, Any]) -> None:
        """Put the verdicts into the saved run."""
        if self._result is not None:
            from runoff.gate.report import as_json

            output_json["gate"] = as_json(self._result, self._result.exit_code(strict=self._options.strict))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int | pytest.ExitCode) -> None:
        """Turn the result into the exit code, unless a test failed: broken is not slow."""
        if self._result is None:
            return
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = self._result.exit_code(strict=self._options.strict)
        self._write_markdown()

    def _write_markdown(self) -> None:
        from runoff.gate.report import markdown_lines

        text = "\n".join(markdown_lines(self._result, self._repeat_words())) + "\n"
        problems = []
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        for path, mode in ((self._options.markdown, "w"), (Path(summary) if summary else None, "a")):
            if path is not None:
                try:
                    with path.open(mode, encoding="utf-8") as file:
                        file.write(text)
                except OSError as error:
                    problems.append(f"{path}: the verdicts could not be written there: {error.strerror}")
        self._result = dataclasses.replace(self._result, notes=(*self._result.notes, *problems))

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the verdicts, the worst first."""
        if self._result is None:
            return
        from runoff.gate.report import terminal_lines

        terminalreporter.section("gate", sep="=")
        for line in terminal_lines(self._result, self._repeat_words()):
            terminalreporter.line(line)

    def _repeat_words(self) -> list[str]:
        """Return the words that repeat this gate, less the tests; a report adds the case."""
        call = _invocation(self._config)
        kept = [word for word in call.arguments if word not in call.positional]
        return [Path(sys.executable).name, "-m", "pytest", *kept]


def _is_benchmark(item: pytest.Item) -> bool:
    return "benchmark" in getattr(item, "fixturenames", ())


def _run_items(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Run tests one after the other, as pytest's own loop does."""
    for index, item in enumerate(items):
        following = items[index + 1] if index + 1 < len(items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)


def _invocation(config: pytest.Config) -> Any:
    """Return how this pytest was called."""
    from runoff.gate.baseline.side import Invocation
    from runoff.gate.baseline.worktree import git_top_level

    parameters = config.invocation_params
    root = config.rootpath.resolve()
    top = git_top_level(root)
    tree = top.resolve() if top is not None else root
    positional = tuple(config.option.file_or_dir or ())
    return Invocation(tuple(map(str, parameters.args)), positional, parameters.dir.resolve(), root, tree)


def _chooser(call: Any) -> Any:
    """Return a function that says whether a test id was asked for; paths are collected whole, ids are not."""
    prefixes = []
    for word in call.positional:
        path, separator, test = word.partition("::")
        if not separator:
            return lambda _: True
        relative = os.path.relpath(call.folder / path, call.root).replace(os.sep, "/")
        prefixes.append(relative + separator + test)
    if not prefixes:
        return lambda _: True
    return lambda case: any(case == each or case.startswith((f"{each}::", f"{each}[")) for each in prefixes)


def _tuned(options: GateOptions) -> tuple[Any, Any, Any]:
    """Return the plan, the rhythm and the deadlines."""
    from runoff.gate.run.schedule import RoundLengths
    from runoff.gate.run.workers import Deadlines
    from runoff.gate.statistics.plan import Plan

    found = json.loads(os.environ.get(_TUNING_VARIABLE) or "{}")
    given: dict[Any, dict[str, Any]] = {kind: {} for kind in (Plan, RoundLengths, Deadlines)}
    for kind, values in given.items():
        values |= {field.name: found[field.name] for field in dataclasses.fields(kind) if field.name in found}
    plan = Plan(alpha=options.alpha, budget_s=options.budget_s, **given[Plan])
    return plan, RoundLengths(**given[RoundLengths]), Deadlines(**given[Deadlines])
