"""How large the largest tests are: a tenth of their full size, unless RUNOFF_FULL_TESTS=1 is set, as CI does."""

import os

FULL_SIZE = os.environ.get("RUNOFF_FULL_TESTS") == "1"


def scaled(full_count: int) -> int:
    """Return how many messages, runs or models a large test uses: all of them at full size, else a tenth."""
    return full_count if FULL_SIZE else max(1, full_count // 10)
