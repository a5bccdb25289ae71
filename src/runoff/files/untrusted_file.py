"""Reading a file that somebody else made: never waits, never takes more memory than allowed."""

import os
import stat
from pathlib import Path

from runoff.errors import ModelError


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """
    Read a regular file of limited size.

    Args:
        path: The file; a link is followed.
        max_bytes: Largest size accepted.

    Returns:
        Its content.

    Raises:
        ModelError: If it is missing, no regular file, unreadable or too large.
    """
    # Without O_NONBLOCK, opening a FIFO would wait for a writer. Windows has neither.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            mode, size = os.fstat(file.fileno())[stat.ST_MODE], os.fstat(file.fileno()).st_size
            if not stat.S_ISREG(mode):
                raise ModelError(f"{path}: is {_describe(mode)}, expected a file")
            if size > max_bytes:
                raise ModelError(f"{path}: has {size} bytes, expected at most {max_bytes}")
            content = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        if os.path.isdir(path):
            raise ModelError(f"{path}: is a folder, expected a file") from None
        if os.path.islink(path) and not os.path.exists(path):
            raise ModelError(f"{path}: is a link to {os.readlink(path)}, which does not exist") from None
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ModelError(f"{path}: cannot be read: {reason}") from None
    if len(content) > max_bytes:
        raise ModelError(f"{path}: grew over {max_bytes} bytes while it was read")
    return content


def _describe(mode: int) -> str:
    """Return what kind of file a mode stands for."""
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"))
    return next((name for test, name in kinds if test(mode)), "a device")
