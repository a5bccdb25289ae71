"""The cache folder for files that runoff can recreate: converted models, the gate's worktrees and environments."""

import os
from pathlib import Path

import platformdirs

CACHE_DIR_VARIABLE = "RUNOFF_CACHE_DIR"


def cache_folder() -> Path:
    """Return the absolute path of the cache folder: $RUNOFF_CACHE_DIR if set, otherwise one in the user's home."""
    return Path(os.environ.get(CACHE_DIR_VARIABLE) or platformdirs.user_cache_dir("runoff")).absolute()
