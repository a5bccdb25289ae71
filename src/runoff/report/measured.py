"""A measured case with the durations of its rounds, and the labels that reports use for it."""

from dataclasses import dataclass

from runoff.models.accuracy import ILL_CONDITIONED
from runoff.models.mlp import Float64Array
from runoff.records.schema import COMPUTES_NOTHING, OTHER_MODEL, VERIFIED, CaseRecord


@dataclass(frozen=True, eq=False)
class MeasuredCase:
    """The record of a case, and its rounds: seconds per call, in the order of measurement, shape (rounds,)."""

    record: CaseRecord
    rounds: Float64Array

    @property
    def computes(self) -> bool:
        """Whether the backend ran a model. It is False for null services."""
        return self.record.answers != COMPUTES_NOTHING


def device_label(record: CaseRecord) -> str:
    """Return a case's device and framework, such as `CPU (ONNX Runtime, in process)` or `CPU (TensorFlow service)`."""
    where = " service" if record.service else ", in process"
    other = f", {OTHER_MODEL}" if record.answers == OTHER_MODEL else ""
    return f"{record.device_type.upper()} ({record.framework_label}{where}{other})"


def other_model_suffix(record: CaseRecord) -> str:
    """Return a suffix for the backend's name if its service runs a different model, otherwise an empty string."""
    return f" ({OTHER_MODEL})" if record.answers == OTHER_MODEL else ""


def error_label(record: CaseRecord) -> str:
    """Return the largest error of the outputs as text, or the reason why no error is known."""
    if record.answers != VERIFIED or record.worst_error is None:
        return record.answers
    shown = f"error {record.worst_error:.1e}"
    if record.allowed_error is not None and record.allowed_error > ILL_CONDITIONED:
        # A small error proves little if float32 rounding alone may cause a large one, so show the allowed error.
        shown += f" (float32 allows {record.allowed_error:.2g})"
    return shown
