"""The size of large tests. They run at a tenth of their full size unless RUNOFF_FULL_TESTS=1 is set. CI sets it."""

import os

FULL_SIZE = os.environ.get("RUNOFF_FULL_TESTS") == "1"


def scaled(full_count: int) -> int:
    """Return the number of messages, runs or models that a large test uses: `full_count` or a tenth of it."""
    return full_count if FULL_SIZE else max(1, full_count // 10)
