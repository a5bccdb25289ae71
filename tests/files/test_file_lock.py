"""Tests that at most one process at a time can hold a file lock."""

import fcntl
from pathlib import Path

import pytest

from runoff.files.file_lock import hold_lock


def test_lock_excludes_others_until_it_is_released(tmp_path: Path) -> None:
    """If two processes saved a run at the same time without a lock, both could choose the same file number."""
    path = tmp_path / "lock"
    with hold_lock(path), path.open("w") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with path.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
