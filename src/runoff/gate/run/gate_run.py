"""A whole gate: blocks of fresh processes in two stages, within a budget of time; every case gets its verdict."""

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace

from runoff.errors import GateError
from runoff.gate.run import judgement
from runoff.gate.run.block_runner import BlockRunner, CaseBlock, Failure, Published
from runoff.gate.run.channel import WorkerLost
from runoff.gate.run.config import GateConfig, Reporter
from runoff.gate.run.judgement import CaseState
from runoff.gate.run.result import CaseVerdict, GateResult, by_urgency
from runoff.gate.run.worker_pool import WorkerPool
from runoff.gate.run.workers import BASELINE, CANDIDATE, WorkerTrio
from runoff.gate.statistics.decision import Verdict


class _BudgetEndedError(GateError):
    """The budget ended while children were starting."""


class GateRun:
    """One gate from the first child to the last verdict."""

    def __init__(self, question: GateConfig, telling: Reporter) -> None:
        self._question = question
        self._plan = question.plan
        self._telling = telling
        self._began = time.monotonic()
        end = math.inf if self._plan.budget_s is None else self._began + self._plan.budget_s
        self._duel = BlockRunner(question.rhythm, question.deadlines, on_case=self._on_case, end=end)
        self._cases: dict[str, CaseState] = {}
        self._published: dict[str, Published] = {}
        self._absent: list[CaseVerdict] = []
        self._notes: list[str] = [question.cores.note] if question.cores.note else []
        self._start_s: list[float] = []
        self._where = ""
        self._last_block_s: dict[str, float] = {}
        self._relay = WorkerPool(self._new_trio)

    def run(self) -> GateResult:
        """
        Measure and judge.

        Returns:
            The result; `refused` says why nothing was compared where that is so.

        Raises:
            KeyboardInterrupt: After Ctrl-C; every child has ended.
        """
        try:
            with self._question.cores.coordinating(), self._relay:
                return self._run()
        except GateError as error:
            return self._result((), str(error))

    def _run(self) -> GateResult:
        if not self._question.tolerances:
            raise GateError("nothing to compare: no benchmark was chosen")
        trio = self._start_trio([])
        shared = self._match(trio)
        if not shared:
            against = self._question.against
            raise GateError(f"nothing to compare: no benchmark is in both the candidate and {against}")
        self._cases = {case: CaseState() for case in shared}
        self._tell_plan(len(shared))
        self._run_block(f"first look, block 1 of {self._plan.first_blocks}", shared, "first", trio)
        self._check_budget()
        self._repeat("first look", self._plan.first_blocks, "first", 2)
        suspects = judgement.suspects(self._cases, self._question.tolerances, self._plan)
        looked_at = suspects[: self._affordable(suspects)]
        if looked_at:
            blocks = self._plan.blocks_for(len(looked_at))
            names = ", ".join(_short(case) for case in looked_at[:3]) + ("…" if len(looked_at) > 3 else "")
            self._telling.line(
                f"{len(looked_at)} of {len(shared)} cases get a second look: {blocks} fresh blocks ({names})"
            )
            self._repeat("second look", blocks, "second", 1, looked_at)
        verdicts = judgement.judge(self._cases, self._question.tolerances, self._plan, suspects, looked_at)
        return self._result([*verdicts, *self._absent])

    def _match(self, trio: WorkerTrio) -> list[str]:
        """Return the cases to compare; what is on one side only is noted."""
        ours = self._question.tolerances
        candidate, baseline = set(trio.collected[CANDIDATE]), dict.fromkeys(trio.collected[BASELINE])
        problems = "\n".join(trio.problems[BASELINE])
        for case in ours:
            if case not in baseline and problems:
                reason = f"the baseline could not collect all its tests: {problems}"
                self._absent.append(CaseVerdict(case, Verdict.INVALID, ours[case], reason))
            elif case not in baseline:
                self._absent.append(CaseVerdict(case, Verdict.NEW, ours[case], "is not in the baseline"))
        for case in baseline:
            if case not in candidate and case not in ours and self._question.chosen(case):
                self._absent.append(
                    CaseVerdict(case, Verdict.MISSING, math.nan, "is in the baseline, not in the candidate")
                )
        lost = [case for case in ours if case in baseline and case not in candidate]
        self._absent += [
            CaseVerdict(case, Verdict.INVALID, ours[case], "was not collected a second time") for case in lost
        ]
        return [case for case in ours if case in baseline and case in candidate]

    def _repeat(self, what: str, blocks: int, stage: str, first: int, cases: Sequence[str] | None = None) -> None:
        """Run the remaining blocks of a stage, as far as the time allows."""
        for number in range(first, blocks + 1):
            left = [case for case in (cases or self._cases) if not self._cases[case].failures]
            if not left:
                return
            # A server's start is paid by whichever case needs it first: the block before knows better than the sum.
            sum_s = self._typical_start_s() + sum(self._cases[case].cost_s for case in left)
            expected_s = max(sum_s, self._last_block_s.get(stage, 0.0))
            if self._plan.budget_s is not None and self._spent_s() + expected_s > self._plan.budget_s:
                budget_s = self._plan.budget_s
                self._notes.append(f"the budget of {budget_s:.0f} s ended before {what}, block {number} of {blocks}")
                return
            self._run_block(f"{what}, block {number} of {blocks}", left, stage)

    def _run_block(self, name: str, cases: Sequence[str], stage: str, trio: WorkerTrio | None = None) -> None:
        """Run one block; when a child is lost, the case it was at is out and a fresh trio does the rest."""
        start, left = time.monotonic(), list(cases)
        while left and not self._duel.is_over():
            self._where = name
            try:
                running = trio or self._start_trio(left)
            except _BudgetEndedError:
                break
            left = self._without_uncollected(left, running)
            done = self._duel.run_block(running, left)
            if (done and done[-1].lost) or self._duel.cut_short:
                # It may hang, and keep the core busy that the rest is timed on, or the user waiting.
                running.stop(grace_s=1.0)
            for block in done:
                self._keep(block, stage)
            left, trio = left[len(done) :], None
        if left:
            self._notes.append(f"the budget of {self._plan.budget_s:.0f} s ended in {name}, before {_short(left[0])}")
        self._last_block_s[stage] = time.monotonic() - start
        self._telling.line(f"{name}: {len(cases)} cases in {self._last_block_s[stage]:.0f} s")

    def _without_uncollected(self, cases: Sequence[str], trio: WorkerTrio) -> list[str]:
        """Return the cases that all children have; a tree that changes while it is judged is noticed here."""
        everywhere = set(trio.collected[0]).intersection(*trio.collected[1:])
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

    def _start_trio(self, cases: Sequence[str]) -> WorkerTrio:
        files = list(dict.fromkeys(case.partition("::")[0] for case in cases))
        self._telling.progress(f"{self._where or 'first look, block 1'}: starting the sides")
        start = time.monotonic()
        try:
            trio = self._relay.next(files)
        except (WorkerLost, OSError) as error:
            if self._duel.is_over():
                raise _BudgetEndedError(self._plan.budget_refusal("it ended while the sides were starting")) from None
            raise GateError(f"no comparison: {error}") from None
        self._start_s.append(time.monotonic() - start)
        return trio

    def _new_trio(self, files: list[str]) -> WorkerTrio:
        q = self._question
        left_s = max(0.0, self._duel.end - time.monotonic())
        deadlines = replace(q.deadlines, collect_s=min(q.deadlines.collect_s, left_s))
        return WorkerTrio(q.candidate, q.baseline, q.cores, files, q.gate_options, deadlines)

    def _on_case(self, case: str) -> None:
        self._telling.progress(f"{self._where}: {_short(case)}")

    def _tell_plan(self, cases: int) -> None:
        plan, rhythm = self._plan, self._question.rhythm
        budget = f", at most {plan.budget_s:.0f} s" if plan.budget_s is not None else ""
        round_ms = rhythm.round_ns * 1e-6
        self._telling.line(
            f"plan: {cases} cases, {plan.first_blocks} blocks of fresh processes each (rounds of {round_ms:g} ms"
            f" by turns: candidate, baseline, baseline again), {plan.second_blocks} fresh blocks for what looks slower"
            f" or unclear; false alarms in at most {plan.alpha:.2g} of runs{budget}"
        )
        if self._question.cores.duel:
            core, others = self._question.cores.duel[0], ", ".join(map(str, self._question.cores.others))
            self._telling.line(f"both sides are timed on core {core}, the processes they start run on {others}")
        elif self._question.cores.note:
            self._telling.line(self._question.cores.note)

    def _check_budget(self) -> None:
        seen = sum(bool(case.first or case.failures) for case in self._cases.values())
        if seen < len(self._cases):
            why = f"it ended in the first block, after {seen} of {len(self._cases)} cases"
            raise GateError(self._plan.budget_refusal(why))
        costs = [case.cost_s for case in self._cases.values() if case.first]
        first_block_s = self._typical_start_s() + sum(costs)
        second_s = self._plan.second_blocks * (self._typical_start_s() + max(costs, default=0.0))
        self._telling.line(
            f"the first look will take about {first_block_s * self._plan.first_blocks:.0f} s in all, a second look up"
            f" to {second_s:.0f} s for one case"
        )
        self._plan.check_budget(self._spent_s(), first_block_s, self._typical_start_s(), min(costs, default=0.0))

    def _affordable(self, suspects: Sequence[str]) -> int:
        left_s = math.inf if self._plan.budget_s is None else self._plan.budget_s - self._spent_s()
        return self._plan.affordable_cases(
            [self._cases[name].cost_s for name in suspects], self._typical_start_s(), left_s
        )

    def _result(self, verdicts: Sequence[CaseVerdict], refused: str = "") -> GateResult:
        failures = {name: case.failures for name, case in self._cases.items() if case.failures}
        return GateResult(
            against=self._question.against,
            baseline=self._question.baseline.label,
            alpha=self._plan.alpha,
            verdicts=by_urgency(verdicts or self._absent),
            failed={n: f.reason for n, all_of in failures.items() for f in all_of if judgement.is_candidates(f)},
            skipped={n: all_of[0].reason for n, all_of in failures.items() if judgement.skipped_everywhere(all_of)},
            published=self._published,
            notes=tuple(self._notes),
            seconds=self._spent_s(),
            refused=refused,
        )

    def _spent_s(self) -> float:
        return time.monotonic() - self._began

    def _typical_start_s(self) -> float:
        return statistics.median(self._start_s)


def _short(case: str) -> str:
    """Return a test id as one reads it: the part that differs."""
    return case.rpartition("::")[2]
