"""The result of one case in one block: a measurement, or why there is none."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Failure:
    """
    Why one side could not measure a case.

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
    The candidate's measurement of one case in one block, for pytest-benchmark's tables and saved runs.

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
    The result of one case in one block: a measurement or failures.

    Attributes:
        case: Test id.
        cost_s: Wall time that the case took, set-up included.
        failures: Why it was not measured; empty if it was.
        log_ratio: log(candidate / baseline), from `typical_log_ratio`.
        null_log_ratio: log(null / baseline), likewise.
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
        """Whether a worker ended or hung while it ran this case."""
        return any(failure.kind == "lost" for failure in self.failures)
