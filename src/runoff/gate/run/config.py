"""The settings of a gate run, and the functions that show its progress to the user."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from runoff.gate.baseline.side import Side
from runoff.gate.run.core_affinity import CoreAssignment
from runoff.gate.run.schedule import RoundLengths
from runoff.gate.run.workers import Deadlines
from runoff.gate.statistics.plan import Plan


@dataclass(frozen=True)
class GateConfig:
    """
    The settings of a gate run.

    Attributes:
        against: The baseline as the user typed it, for messages.
        candidate: The side that gets the verdicts.
        baseline: The side that the candidate is compared with.
        tolerances: Relative tolerance of each of the candidate's cases, in the order of its tests.
        is_selected: Function that returns whether the user's command line selects a test id.
        plan: Numbers of blocks, error probability and time budget.
        cores: CPU cores of the workers and the coordinator.
        gate_options: The gate's own pytest options, which workers must accept on their command lines: for each flag,
            the arguments with which argparse parses its values.
        round_lengths: Durations of rounds and warm-up.
        deadlines: Longest waits for a worker.
    """

    against: str
    candidate: Side
    baseline: Side
    tolerances: Mapping[str, float]
    is_selected: Callable[[str], bool]
    plan: Plan
    cores: CoreAssignment
    gate_options: Mapping[str, Mapping[str, str]]
    round_lengths: RoundLengths
    deadlines: Deadlines


@dataclass(frozen=True)
class Reporter:
    """
    Two functions that show the progress of a gate run to the user.

    Attributes:
        line: Prints a line that stays in the log, such as the plan or the duration of a block.
        progress: Replaces the terminal's status line, which shows the current block and case.
    """

    line: Callable[[str], None]
    progress: Callable[[str], None]
