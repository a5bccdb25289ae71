"""The speed of services, relative to running the same model in the client's own process."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from runoff.measurement.intervals import Interval, ratio_interval
from runoff.records.schema import OTHER_MODEL
from runoff.report.measured import MeasuredCase
from runoff.units import format_ratio

# Services are compared with this backend, because it is the usual way to run a small model without a service.
IN_PROCESS_BACKEND = "onnxruntime-cpu"


@dataclass(frozen=True)
class Speedup:
    """
    The speed of a service relative to IN_PROCESS_BACKEND at one batch size.

    Attributes:
        batch_size: Samples per call.
        ratio: Latency in process / latency of the service. Above 1 the service is faster.
        runs_other_model: Whether the service runs a different model, so that its speed is no result for this model.
    """

    batch_size: int
    ratio: Interval
    runs_other_model: bool

    @property
    def faster(self) -> Literal["service", "process", ""]:
        """The faster side. It is empty if the interval contains 1, because either side may then be faster."""
        return "service" if self.ratio.low > 1.0 else "process" if self.ratio.high < 1.0 else ""

    @property
    def text(self) -> str:
        """The ratio with its 95 % interval as text, such as `1.80× [1.52, 2.11]`."""
        low, high = (format_ratio(limit).removesuffix("×") for limit in (self.ratio.low, self.ratio.high))
        return f"{format_ratio(self.ratio.estimate)} [{low}, {high}]"


def service_speedups(cases: Sequence[MeasuredCase]) -> dict[str, list[Speedup]]:
    """
    Compute the speedup of every service, except null services, among the cases of one model.

    Returns:
        A dict from backend name to its speedups, smallest batch size first. Batch sizes at which IN_PROCESS_BACKEND was
        not measured are left out, and so are backends without any speedup.
    """
    in_process = {case.record.batch_size: case for case in cases if case.record.backend == IN_PROCESS_BACKEND}
    speedups: dict[str, list[Speedup]] = {}
    for case in sorted(cases, key=lambda case: case.record.batch_size):
        record = case.record
        if record.service and case.computes and record.batch_size in in_process:
            ratio = ratio_interval(in_process[record.batch_size].rounds, case.rounds)
            speedup = Speedup(record.batch_size, ratio, record.answers == OTHER_MODEL)
            speedups.setdefault(record.backend, []).append(speedup)
    return speedups
