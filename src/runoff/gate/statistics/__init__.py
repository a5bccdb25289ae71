"""The statistics of the gate as pure functions: exact tests, the plan of a run, verdicts."""
