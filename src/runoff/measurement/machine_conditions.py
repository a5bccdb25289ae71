"""Record the speed and the load of the machine before and after a measurement."""

from collections.abc import Callable
from dataclasses import dataclass

from runoff.measurement.machine import cpu_steal_s, load_average
from runoff.measurement.yardstick import measure_yardstick


@dataclass(frozen=True)
class MachineConditions:
    """
    The machine's speed and load before and after the rounds of one benchmark case.

    Attributes:
        yardstick_before_s: Duration of a fixed workload, the yardstick, just before the rounds.
        yardstick_after_s: Duration of the same workload just after the rounds.
        load_before: Load average over one minute, read before the rounds.
        steal_s: CPU time that the hypervisor gave to other machines during the rounds.
    """

    yardstick_before_s: float
    yardstick_after_s: float
    load_before: float
    steal_s: float


def observe_machine(measure: Callable[[], None]) -> MachineConditions:
    """Call `measure`, which runs all rounds of one case. Return the machine's state before and after the rounds."""
    load, steal_s, yardstick_s = load_average(), cpu_steal_s(), measure_yardstick()
    measure()
    return MachineConditions(yardstick_s, measure_yardstick(), load, cpu_steal_s() - steal_s)
