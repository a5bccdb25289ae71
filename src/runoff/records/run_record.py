"""Create the record of the current run: facts about the machine, and whether all cases were measured."""

import platform

from runoff.measurement import machine
from runoff.records.schema import RunRecord


def describe_run(incomplete_because: str) -> RunRecord:
    """Return the current run's record. `incomplete_because` is empty, or the reason why not every case was measured."""
    return RunRecord(
        complete=not incomplete_because,
        incomplete_because=incomplete_because,
        processor=machine.processor_name(),
        cores=machine.usable_cores(),
        system=f"{platform.system()} {platform.machine()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        packages=machine.package_versions(),
    )
