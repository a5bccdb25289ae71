"""Write files atomically, so that a crash or a second writer never leaves a partial file."""

import contextlib
import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, content: bytes, *, durable: bool = True, replace: bool = True) -> None:
    """
    Write a file in one step: readers see its old content or its new content, never a part.

    Args:
        path: The file to write; its folder must exist.
        content: The new content.
        durable: Flush the content to disk first, which takes milliseconds. Without it a power cut may leave an empty
            file.
        replace: Replace an existing file of that name.

    Raises:
        FileExistsError: If the file exists and `replace` is false.
        OSError: If the file cannot be written. The old file is unchanged and no temporary file remains.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        # mkstemp creates files that only their owner can read; set the mode that open() would have set.
        os.chmod(temporary, 0o666 & ~_umask())  # noqa: PTH101
        if replace:
            os.replace(temporary, path)  # noqa: PTH105
        else:
            # Unlike a rename, a hard link fails if the target exists.
            os.link(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108


def _umask() -> int:
    """Return the process's umask; the only way to read it is to set it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
