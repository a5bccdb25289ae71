"""Read files from untrusted sources without blocking on a FIFO and without exceeding a memory limit."""

import os
import stat
from pathlib import Path

from runoff.errors import ModelError


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """
    Read the content of a regular file, and reject a file larger than `max_bytes`.

    Args:
        path: The file; symbolic links are followed.
        max_bytes: Largest accepted size.

    Raises:
        ModelError: If the file is missing, unreadable, too large or not a regular file.
    """
    # Without O_NONBLOCK, opening a FIFO blocks until a writer opens it. Windows has no FIFOs and no O_NONBLOCK.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            mode, size = os.fstat(file.fileno())[stat.ST_MODE], os.fstat(file.fileno()).st_size
            if not stat.S_ISREG(mode):
                raise ModelError(f"{path}: is {_file_type(mode)}, expected a file")
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
        raise ModelError(f"{path}: grew to more than {max_bytes} bytes while it was being read")
    return content


def _file_type(mode: int) -> str:
    """Return the type of a file that is not a regular file, such as `a FIFO`. `mode` is its `st_mode`."""
    types = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"))
    return next((name for is_type, name in types if is_type(mode)), "a device")
