"""Running a gate: schedule, blocks, worker processes and the result."""
