"""What is asked of a gate, and who is told how it goes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from runoff.gate.baseline.side import Side
from runoff.gate.run.core_affinity import CoreAssignment
from runoff.gate.run.schedule import RoundLengths
from runoff.gate.run.workers import Deadlines
from runoff.gate.statistics.plan import Plan


@dataclass(frozen=True)
class Reporter:
    """
    Who is told what happens.

    Attributes:
        line: A line for the log: the plan, the end of a block.
        progress: Blocks done, blocks in all as far as known, the case that is run.
    """

    line: Callable[[str], None]
    progress: Callable[[str], None]


@dataclass(frozen=True)
class GateConfig:
    """
    What is asked.

    Attributes:
        against: What the user called the baseline.
        candidate: The side that is judged.
        baseline: The side it is held against.
        tolerances: Case to tolerance, of the candidate's cases in their order.
        chosen: Whether a test id is one that the user asked for.
        plan: Blocks and time.
        cores: Who runs where.
        gate_options: The gate's option flags, which children must bear: flag to `flag`, `one` or `many`.
        rhythm: How long rounds are.
        deadlines: How long a child may keep us waiting.
    """

    against: str
    candidate: Side
    baseline: Side
    tolerances: Mapping[str, float]
    chosen: Callable[[str], bool]
    plan: Plan
    cores: CoreAssignment
    gate_options: Mapping[str, str]
    rhythm: RoundLengths = field(default_factory=RoundLengths)
    deadlines: Deadlines = field(default_factory=Deadlines)
