"""The size of the largest tests: a tenth of their full size, unless RUNOFF_FULL_TESTS=1 is set, as in CI."""

import os

FULL_SIZE = os.environ.get("RUNOFF_FULL_TESTS") == "1"


def scaled(full_count: int) -> int:
    """Return the number of messages, runs or models for a large test: all at full size, otherwise a tenth."""
    return full_count if FULL_SIZE else max(1, full_count // 10)
