"""The record of a whole run, made of what the machine says of itself."""

import platform

from runoff.measurement import machine
from runoff.records.schema import RunRecord


def describe_run(incomplete_because: str) -> RunRecord:
    """
    Describe this run.

    Args:
        incomplete_because: Why not every case was measured; empty if all were.

    Returns:
        The record, with this machine's facts.
    """
    return RunRecord(
        complete=not incomplete_because,
        incomplete_because=incomplete_because,
        processor=machine.processor_name(),
        cores=machine.usable_cores(),
        system=f"{platform.system()} {platform.machine()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        packages=machine.package_versions(),
    )
