"""Writing a file so that a reader, a crash or a second writer never finds half of it."""

import contextlib
import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, content: bytes, *, durable: bool = True, replace: bool = True) -> None:
    """
    Write or replace a file in one step: its old or its new content, never a part.

    Args:
        path: The file; its folder exists.
        content: What it shall hold.
        durable: Wait until the disk has it (milliseconds), so that a power cut cannot leave an empty file.

        replace: Whether a file of that name may be replaced.

    Raises:
        FileExistsError: If one is there that may not be replaced.
        OSError: If it cannot be written; then nothing is left behind and the old file stands.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        # mkstemp makes files for their owner alone; give it the mode that open() would have given.
        os.chmod(temporary, 0o666 & ~_umask())  # noqa: PTH101
        if replace:
            os.replace(temporary, path)  # noqa: PTH105
        else:
            # Unlike a rename, a second name for the file is refused where the name is taken.
            os.link(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
