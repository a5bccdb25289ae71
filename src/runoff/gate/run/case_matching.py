"""Find the cases that both sides have, and give a verdict to each case that only one side has."""

import math

from runoff.gate.run.config import GateConfig
from runoff.gate.run.result import CaseVerdict
from runoff.gate.run.workers import BASELINE, CANDIDATE, WorkerSet
from runoff.gate.statistics.decision import Verdict


def match_cases(config: GateConfig, workers: WorkerSet) -> tuple[list[str], list[CaseVerdict]]:
    """Return the cases that can be compared, in the candidate's order, and the verdicts of all other cases."""
    tolerances = config.tolerances
    candidate, baseline = set(workers.collected[CANDIDATE]), dict.fromkeys(workers.collected[BASELINE])
    problems = "\n".join(workers.problems[BASELINE])
    reasons: dict[str, tuple[Verdict, str]] = {}
    for case in tolerances:
        if case not in baseline and problems:
            reasons[case] = Verdict.INVALID, f"the baseline could not collect all its tests: {problems}"
        elif case not in baseline:
            reasons[case] = Verdict.NEW, "is not in the baseline"
        elif case not in candidate:
            reasons[case] = Verdict.INVALID, "was not collected by the candidate's worker"
    for case in baseline:
        if case not in candidate and case not in tolerances and config.is_selected(case):
            reasons[case] = Verdict.MISSING, "is in the baseline but not in the candidate"
    verdicts = [
        CaseVerdict(case, verdict, tolerances.get(case, math.nan), reason)
        for case, (verdict, reason) in reasons.items()
    ]
    return [case for case in tolerances if case not in reasons], verdicts
