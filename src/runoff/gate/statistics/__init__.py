"""The gate's statistics, written as pure functions: exact tests, the plan of a run, and verdicts."""
