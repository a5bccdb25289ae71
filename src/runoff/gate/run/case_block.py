"""The result of one case in one block: a measurement, or the reasons why there is none."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Failure:
    """
    The reason why one side could not measure a case.

    Attributes:
        side: CANDIDATE, BASELINE or NULL.
        kind: `failed`, `skipped`, `unused` (the test never called its benchmark) or `lost` (the worker ended or hung).
        reason: Message for the user.
    """

    side: int
    kind: str
    reason: str


@dataclass(frozen=True)
class PublishedRounds:
    """
    The candidate's rounds of one case in one block, for pytest-benchmark's tables and saved runs.

    Attributes:
        durations_s: Duration of each round in seconds.
        iterations: Calls in a round.
        extra_info: The fixture's `extra_info` after the test.
        group: The fixture's group.
    """

    durations_s: list[float]
    iterations: int
    extra_info: dict[str, Any]
    group: str | None


@dataclass(frozen=True)
class CaseBlock:
    """
    The result of one case in one block: either a measurement or failures.

    Attributes:
        case: Test id.
        cost_s: Wall time that the case took, including its set-up.
        failures: Reasons why the case was not measured; empty if it was measured.
        log_ratio: log(candidate / baseline), from `typical_log_ratio`.
        null_log_ratio: log(null / baseline), also from `typical_log_ratio`.
        baseline_call_s: The baseline's median time of one call, in seconds.
        published: The candidate's rounds; None if the case was not measured.
    """

    case: str
    cost_s: float
    failures: tuple[Failure, ...] = ()
    log_ratio: float = math.nan
    null_log_ratio: float = math.nan
    baseline_call_s: float = math.nan
    published: PublishedRounds | None = None

    @property
    def lost(self) -> bool:
        """Whether a worker process ended or hung while running this case."""
        return any(failure.kind == "lost" for failure in self.failures)
