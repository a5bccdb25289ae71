"""A case as a report sees it, and how it is named there."""

from dataclasses import dataclass

from runoff.models.accuracy import ILL_CONDITIONED
from runoff.models.mlp import Float64Array
from runoff.records.schema import COMPUTES_NOTHING, OTHER_MODEL, VERIFIED, CaseRecord


@dataclass(frozen=True, eq=False)
class MeasuredCase:
    """
    One case with its rounds.

    Attributes:
        record: What was measured.
        rounds: Seconds per call of each round, in the order they were taken, shape (rounds,).
    """

    record: CaseRecord
    rounds: Float64Array

    @property
    def computes(self) -> bool:
        """Whether the backend ran the model at all."""
        return self.record.answers != COMPUTES_NOTHING


def device_label(record: CaseRecord) -> str:
    """Return what did the work and how it was reached: `CPU (ONNX Runtime, in process)`."""
    how = "service" if record.service else ", in process"
    separator = " " if record.service else ""
    other = f", {OTHER_MODEL}" if record.answers == OTHER_MODEL else ""
    return f"{record.device_type.upper()} ({record.framework_label}{separator}{how}{other})"


def other_model_suffix(record: CaseRecord) -> str:
    """Return what follows a case's or a backend's name if another model was timed under it; else nothing."""
    return f" ({OTHER_MODEL})" if record.answers == OTHER_MODEL else ""


def answers_label(record: CaseRecord) -> str:
    """Return what is known of the answers, and whether the time had settled before it was taken."""
    return _error_label(record) + ("" if record.steady else ", not settled")


def _error_label(record: CaseRecord) -> str:
    """Return the worst error, or why there is none."""
    if record.answers != VERIFIED or record.worst_error is None:
        return record.answers
    shown = f"error {record.worst_error:.1e}"
    if record.allowed_error is not None and record.allowed_error > ILL_CONDITIONED:
        # Right answers prove little here: float32 itself may move them by this much.
        shown += f" (float32 allows {record.allowed_error:.2g})"
    return shown
