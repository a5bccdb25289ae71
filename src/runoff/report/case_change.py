"""The change of one case between two runs, and the rules that decide which runs and records are comparable."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from runoff.measurement.intervals import Interval
from runoff.records.schema import CaseRecord

# Fields of RunRecord. The times of two runs are comparable only if these fields are equal in both.
MACHINE_FIELDS = ("processor", "cores", "system", "python")
_COMPARED_FACTS = ("framework", "framework_version", "threads", "spinning")


@dataclass(frozen=True)
class CaseChange:
    """The records of one case in an earlier run (`before`) and in a later run (`now`)."""

    before: CaseRecord
    now: CaseRecord

    @property
    def change(self) -> float:
        """Relative change of the time per call, such as 0.1 if a call takes 10 % longer in the later run."""
        return self.now.latency_s_per_batch / self.before.latency_s_per_batch - 1.0

    @property
    def change_without_machine(self) -> float:
        """The relative change, corrected for the change of the machine's speed that the yardstick shows."""
        return (1.0 + self.change) / self._yardstick_ratio - 1.0

    @property
    def interval(self) -> Interval:
        """
        The relative change of the time per call, with its 95 % interval.

        The intervals of both runs are combined as independent errors on a log scale: the combined half-width is the
        root of the sum of their squares. It does not cover differences between processes.
        """
        ratio = 1.0 + self.change
        # The ratio now/before is smallest if `now` is at its low end and `before` at its high end.
        low = math.hypot(_log_error(self.now, "low"), _log_error(self.before, "high"))
        high = math.hypot(_log_error(self.now, "high"), _log_error(self.before, "low"))
        return Interval(self.change, ratio * math.exp(-low) - 1.0, ratio * math.exp(high) - 1.0)

    @property
    def is_beyond_intervals(self) -> bool:
        """Whether the two runs' 95 % intervals are disjoint after correcting for the change of the machine's speed."""
        low = self.now.latency_low_s_per_batch / self._yardstick_ratio
        high = self.now.latency_high_s_per_batch / self._yardstick_ratio
        return low > self.before.latency_high_s_per_batch or high < self.before.latency_low_s_per_batch

    @property
    def _yardstick_ratio(self) -> float:
        return yardstick_s(self.now) / yardstick_s(self.before)


def pair_cases(now: Iterable[CaseRecord], before: Iterable[CaseRecord]) -> list[CaseChange]:
    """Pair the records of cases that both runs measured with the same model, device, versions and settings."""
    earlier = {record.case: record for record in before}
    pairs = [CaseChange(earlier[record.case], record) for record in now if record.case in earlier]
    return [pair for pair in pairs if comparison_key(pair.before) == comparison_key(pair.now)]


def comparison_key(record: CaseRecord) -> tuple[object, ...]:
    """Return the facts about a record that must be equal in two records before their times are compared."""
    facts = tuple(map(record.facts.get, _COMPARED_FACTS))
    return record.model_digest, record.device_type, record.device_name, record.answers, facts


def yardstick_s(record: CaseRecord) -> float:
    """Return the mean of the yardstick's durations before and after a case, in seconds. It is never 0."""
    return max((record.yardstick_before_s + record.yardstick_after_s) / 2, 1e-9)


def _log_error(record: CaseRecord, end: str) -> float:
    """Return the distance, on a log scale, from the median to the `low` or `high` end of its interval."""
    return math.log(getattr(record, f"latency_{end}_s_per_batch") / record.latency_s_per_batch)
