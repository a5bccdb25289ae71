"""A complete gate run: measure blocks of fresh processes in two stages, within a time budget, and judge all cases."""

import math
import statistics
import time
from collections.abc import Sequence

from runoff.errors import GateError
from runoff.gate.run import evaluation
from runoff.gate.run.block_runner import BlockRunner
from runoff.gate.run.case_block import CaseBlock, Failure, PublishedRounds
from runoff.gate.run.case_matching import match_cases
from runoff.gate.run.config import GateConfig, Reporter
from runoff.gate.run.evaluation import CaseState
from runoff.gate.run.result import CaseVerdict, GateResult, by_urgency
from runoff.gate.run.worker_channel import WorkerLost
from runoff.gate.run.worker_pool import WorkerPool
from runoff.gate.run.workers import CANDIDATE, WorkerSet
from runoff.units import format_items


class _BudgetEndedError(GateError):
    """Raised if the time budget ends while workers are starting."""


class GateRun:
    """One comparison of a candidate with a baseline."""

    def __init__(self, config: GateConfig, reporter: Reporter) -> None:
        self._config = config
        self._plan = config.plan
        self._reporter = reporter
        self._start = time.monotonic()
        end = math.inf if self._plan.budget_s is None else self._start + self._plan.budget_s
        self._blocks = BlockRunner(config.round_lengths, config.deadlines, on_case=self._report_case, end=end)
        self._cases: dict[str, CaseState] = {}
        self._published: dict[str, PublishedRounds] = {}
        self._not_shared: list[CaseVerdict] = []
        self._notes: list[str] = [config.cores.note] if config.cores.note else []
        self._start_s: list[float] = []
        self._block_name = f"first stage, block 1 of {self._plan.first_blocks}"
        self._last_block_s: dict[str, float] = {}
        self._pool = WorkerPool(self._start_workers)

    def run(self) -> GateResult:
        """
        Measure and judge all cases. If nothing could be compared, the result's `refused` contains the reason.

        Raises:
            KeyboardInterrupt: After Ctrl-C, once every worker process has ended.
        """
        try:
            with self._config.cores.keep_off_timed_core(), self._pool:
                return self._run()
        except GateError as error:
            return self._result((), str(error))

    def _run(self) -> GateResult:
        if not self._config.tolerances:
            raise GateError("nothing to compare: no benchmark was selected")
        workers = self._next_workers([])
        shared, self._not_shared = match_cases(self._config, workers)
        if not shared:
            raise GateError(f"nothing to compare: no benchmark is in both the candidate and {self._config.against}")
        self._cases = {case: CaseState() for case in shared}
        self._report_plan(len(shared))
        self._run_block(self._block_name, shared, "first", workers)
        self._check_budget()
        self._run_blocks("first", self._plan.first_blocks, shared, start=2)
        suspected = evaluation.cases_for_second_stage(self._cases, self._config.tolerances, self._plan)
        costs_s = [self._cases[name].cost_s for name in suspected]
        left_s = self._blocks.end - time.monotonic()
        repeated = suspected[: self._plan.affordable_cases(costs_s, self._typical_start_s(), left_s)]
        if repeated:
            blocks = self._plan.blocks_for(len(repeated))
            names = ", ".join(_test_name(case) for case in repeated[:3]) + ("…" if len(repeated) > 3 else "")
            numbers = f"{len(repeated)} of {len(shared)}, {format_items(blocks, 'fresh block')}"
            self._reporter.line(f"cases in the second stage: {numbers} ({names})")
            self._run_blocks("second", blocks, repeated)
        verdicts = evaluation.judge_cases(self._cases, self._config.tolerances, self._plan, suspected, repeated)
        return self._result([*verdicts, *self._not_shared])

    def _run_blocks(self, stage: str, blocks: int, cases: Sequence[str], start: int = 1) -> None:
        """Run the remaining blocks of a stage. Stop before a block that would exceed the time budget."""
        for number in range(start, blocks + 1):
            name = f"{stage} stage, block {number} of {blocks}"
            left = [case for case in cases if not self._cases[case].failures]
            if not left:
                return
            # In each block, the first case that needs a server waits for its start. If that case dropped out, another
            # case waits, and the sum of the costs is too low. The previous block's duration includes such a wait.
            sum_s = self._typical_start_s() + sum(self._cases[case].cost_s for case in left)
            expected_s = max(sum_s, self._last_block_s.get(stage, 0.0))
            if time.monotonic() + expected_s > self._blocks.end:
                self._notes.append(f"the budget of {self._plan.budget_s:.0f} s ended before the {name}")
                return
            self._run_block(name, left, stage)

    def _run_block(self, name: str, cases: Sequence[str], stage: str, workers: WorkerSet | None = None) -> None:
        """Run one block. If a case loses a worker, start fresh workers for the remaining cases."""
        start, left = time.monotonic(), list(cases)
        while left and not self._blocks.is_over():
            self._block_name = name
            try:
                running = workers or self._next_workers(left)
            except _BudgetEndedError:
                break
            left = self._drop_uncollected(left, running)
            done = self._blocks.run_block(running, left)
            if (done and done[-1].lost) or self._blocks.cut_short:
                # Kill the workers after 1 s instead of the usual 10 s: a worker that hangs may occupy the timed core.
                running.stop(grace_s=1.0)
            for block in done:
                self._keep(block, stage)
            left, workers = left[len(done) :], None
        if left:
            budget_s = self._plan.budget_s
            self._notes.append(f"the budget of {budget_s:.0f} s ended in the {name}, before {_test_name(left[0])}")
        self._last_block_s[stage] = time.monotonic() - start
        self._reporter.line(f"{name}: {format_items(len(cases), 'case')} in {self._last_block_s[stage]:.0f} s")

    def _drop_uncollected(self, cases: Sequence[str], workers: WorkerSet) -> list[str]:
        """Return the cases that all workers collected. Mark the others as failed, because their files changed."""
        everywhere = set(workers.collected[0]).intersection(*workers.collected[1:])
        for case in cases:
            if case not in everywhere:
                self._cases[case].failures = (Failure(CANDIDATE, "lost", "was not collected in every block"),)
        return [case for case in cases if case in everywhere]

    def _keep(self, block: CaseBlock, stage: str) -> None:
        case = self._cases[block.case]
        if block.failures:
            case.failures = block.failures
            return
        (case.first if stage == "first" else case.second).append(block)
        if block.published:
            self._published[block.case] = block.published

    def _next_workers(self, cases: Sequence[str]) -> WorkerSet:
        """Start workers that collect the files of these cases or, without cases, everything that the user selected."""
        files = list(dict.fromkeys(case.partition("::")[0] for case in cases))
        self._reporter.progress(f"{self._block_name}: starting the workers")
        start = time.monotonic()
        try:
            workers = self._pool.start_next(files)
        except (WorkerLost, OSError) as error:
            if self._blocks.is_over():
                raise _BudgetEndedError(self._plan.budget_refusal("it ended while the workers were starting")) from None
            raise GateError(f"the workers could not start: {error}") from None
        self._start_s.append(time.monotonic() - start)
        return workers

    def _start_workers(self, files: list[str]) -> WorkerSet:
        config = self._config
        collect_s = self._blocks.timeout_s(config.deadlines.collect_s)
        return WorkerSet(config.candidate, config.baseline, config.cores, files, config.gate_options, collect_s)

    def _report_case(self, case: str) -> None:
        self._reporter.progress(f"{self._block_name}: {_test_name(case)}")

    def _report_plan(self, cases: int) -> None:
        plan, cores = self._plan, self._config.cores
        budget = f"; time limit: {plan.budget_s:.0f} s" if plan.budget_s is not None else ""
        round_ms = self._config.round_lengths.round_ns * 1e-6
        self._reporter.line(
            f"plan: {format_items(cases, 'case')}, {format_items(plan.first_blocks, 'block')} of fresh processes each"
            f" (rounds of {round_ms:g} ms in turns: candidate, baseline, baseline again);"
            f" {format_items(plan.second_blocks, 'fresh block')} for cases that look"
            f" slower or unclear; false alarms in at most {100 * plan.alpha:.2g} % of runs{budget}"
        )
        if cores.timed:
            others = ", ".join(map(str, cores.others))
            self._reporter.line(f"both sides are timed on core {cores.timed[0]}; their servers run on cores: {others}")
        elif cores.note:
            self._reporter.line(cores.note)

    def _check_budget(self) -> None:
        """Report the expected duration. Raise GateError if the first block shows that the budget is too short."""
        finished = sum(bool(case.first or case.failures) for case in self._cases.values())
        if finished < len(self._cases):
            why = f"it ended in the first block, after {finished} of {len(self._cases)} cases"
            raise GateError(self._plan.budget_refusal(why))
        costs = [case.cost_s for case in self._cases.values() if case.first]
        first_block_s = self._typical_start_s() + sum(costs)
        second_s = self._plan.second_blocks * (self._typical_start_s() + max(costs, default=0.0))
        self._reporter.line(
            f"expected duration: about {first_block_s * self._plan.first_blocks:.0f} s for the first stage, then up to"
            f" {second_s:.0f} s for each case that needs the second stage"
        )
        self._plan.check_budget(self._spent_s(), first_block_s, self._typical_start_s(), min(costs, default=0.0))

    def _result(self, verdicts: Sequence[CaseVerdict], refused: str = "") -> GateResult:
        failures = {name: case.failures for name, case in self._cases.items() if case.failures}
        return GateResult(
            against=self._config.against,
            baseline=self._config.baseline.label,
            alpha=self._plan.alpha,
            verdicts=by_urgency(verdicts or self._not_shared),
            failed={n: f.reason for n, each in failures.items() for f in each if evaluation.is_candidates(f)},
            skipped={n: each[0].reason for n, each in failures.items() if evaluation.skipped_everywhere(each)},
            published=self._published,
            notes=tuple(self._notes),
            seconds=self._spent_s(),
            refused=refused,
        )

    def _spent_s(self) -> float:
        return time.monotonic() - self._start

    def _typical_start_s(self) -> float:
        return statistics.median(self._start_s)


def _test_name(case: str) -> str:
    """Return a test id without its file."""
    return case.partition("::")[2]
