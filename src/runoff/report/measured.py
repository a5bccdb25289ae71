"""A measured case with its rounds, and the labels under which reports show it."""

from dataclasses import dataclass

from runoff.models.accuracy import ILL_CONDITIONED
from runoff.models.mlp import Float64Array
from runoff.records.schema import COMPUTES_NOTHING, OTHER_MODEL, VERIFIED, CaseRecord


@dataclass(frozen=True, eq=False)
class MeasuredCase:
    """The record of a case, and the seconds per call in each round in the order of measurement, shape (rounds,)."""

    record: CaseRecord
    rounds: Float64Array

    @property
    def computes(self) -> bool:
        """Whether the backend ran a model; False for the null services."""
        return self.record.answers != COMPUTES_NOTHING


def device_label(record: CaseRecord) -> str:
    """Return device, framework and place of a case: `CPU (ONNX Runtime, in process)` or `CPU (TensorFlow service)`."""
    where = " service" if record.service else ", in process"
    other = f", {OTHER_MODEL}" if record.answers == OTHER_MODEL else ""
    return f"{record.device_type.upper()} ({record.framework_label}{where}{other})"


def other_model_suffix(record: CaseRecord) -> str:
    """Return the suffix that marks a backend's name if the service runs another model; empty otherwise."""
    return f" ({OTHER_MODEL})" if record.answers == OTHER_MODEL else ""


def error_label(record: CaseRecord) -> str:
    """Return the largest error of the answers, or the reason why there is none."""
    if record.answers != VERIFIED or record.worst_error is None:
        return record.answers
    shown = f"error {record.worst_error:.1e}"
    if record.allowed_error is not None and record.allowed_error > ILL_CONDITIONED:
        # Correct answers prove little for such a model, because float32 rounding alone may change them this much.
        shown += f" (float32 allows {record.allowed_error:.2g})"
    return shown
