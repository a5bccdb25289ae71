"""The folder for files that runoff can create again: converted models, and the gate's worktrees and environments."""

import os
from pathlib import Path

import platformdirs

CACHE_DIR_VARIABLE = "RUNOFF_CACHE_DIR"


def cache_folder() -> Path:
    """Return the absolute path that the variable RUNOFF_CACHE_DIR names, or else the user's cache folder for runoff."""
    return Path(os.environ.get(CACHE_DIR_VARIABLE) or platformdirs.user_cache_dir("runoff")).absolute()
