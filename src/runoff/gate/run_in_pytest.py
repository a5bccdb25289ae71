"""Run the gate in a pytest session, with settings from pytest's options and progress on pytest's terminal."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import msgspec
import pytest
from tqdm import tqdm

from runoff.errors import GateError, RunoffError
from runoff.gate.baseline.lookup import prepare_baseline
from runoff.gate.baseline.side import Invocation, Side
from runoff.gate.invocation import selector_of
from runoff.gate.options import GATE_OPTIONS, GateOptions, tolerance_of
from runoff.gate.run.config import GateConfig, Reporter
from runoff.gate.run.core_affinity import assign_cores
from runoff.gate.run.gate_run import GateRun
from runoff.gate.run.result import GateResult
from runoff.gate.run.schedule import RoundLengths
from runoff.gate.run.workers import Deadlines
from runoff.gate.statistics.plan import Plan

# Tests shorten gate runs with this variable. It holds a JSON object with fields of Plan, RoundLengths and Deadlines.
_TUNING_VARIABLE = "RUNOFF_GATE_TUNING"


def compare(
    config: pytest.Config, options: GateOptions, invocation: Invocation, benchmarks: Sequence[pytest.Item]
) -> GateResult:
    """
    Compare the candidate, started by `invocation`, with the baseline that the options name.

    Raises:
        pytest.UsageError: If the baseline, a gate marker or a setting is invalid.
    """
    against = options.against or "other models"
    models = {"model": list(options.models)} if options.models else {}
    with _terminal_reporter(config) as reporter:
        try:
            settings = {"alpha": options.alpha, "budget_s": options.budget_s}
            settings |= msgspec.json.decode(os.environ.get(_TUNING_VARIABLE) or "{}")
            tolerances = {item.nodeid: tolerance_of(item, options.tolerance) for item in benchmarks}
            plan = msgspec.convert(settings, Plan)
            with prepare_baseline(options.against, models, invocation, reporter.line) as baseline:
                reporter.line(f"gate: this tree against {baseline.label}")
                candidate = Side("candidate", "candidate", sys.executable, invocation)
                gate_config = GateConfig(
                    against, candidate, baseline, tolerances, selector_of(invocation), plan, assign_cores(),
                    GATE_OPTIONS, msgspec.convert(settings, RoundLengths), msgspec.convert(settings, Deadlines),
                )  # fmt: skip
                return GateRun(gate_config, reporter).run()
        except GateError as error:
            return GateResult(against, against, options.alpha, refused=str(error))
        except RunoffError as error:
            raise pytest.UsageError(str(error)) from None


@contextmanager
def _terminal_reporter(config: pytest.Config) -> Iterator[Reporter]:
    """Yield a reporter that writes to pytest's terminal despite output capture. Without a terminal, it is silent."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        if terminal is None:
            yield Reporter(lambda _: None, lambda _: None)
            return
        terminal.ensure_newline()
        # Show no progress bar, because the total number of blocks is unknown until the second stage.
        with tqdm(bar_format="{desc}", file=sys.stderr, leave=False, disable=not terminal.isatty) as status:

            def write_line(text: str) -> None:
                with tqdm.external_write_mode(file=sys.stderr):
                    terminal.write_line(text)
                    terminal.flush()

            yield Reporter(write_line, status.set_description_str)
