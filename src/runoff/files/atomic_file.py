"""Write files atomically, so that a crash or a second writer never leaves a partial file."""

import os
import uuid
from pathlib import Path

from runoff.interrupts import interrupt_deferred


def write_atomically(path: Path, content: bytes, *, durable: bool = True, replace: bool = True) -> None:
    """
    Write a file atomically: readers see either its old content or its complete new content.

    Ctrl-C takes effect once the file is written.

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
    temporary = path.with_name(f".runoff-{uuid.uuid4().hex}.tmp")
    with interrupt_deferred():
        try:
            with temporary.open("xb") as file:
                file.write(content)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            if replace:
                temporary.replace(path)
            else:
                # Use a hard link, which fails if the target exists; a rename would overwrite the target.
                path.hardlink_to(temporary)
        finally:
            temporary.unlink(missing_ok=True)
