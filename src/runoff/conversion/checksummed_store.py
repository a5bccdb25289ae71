"""A cache folder. Each entry contains its key and a checksum, so that damaged entries are detected and ignored."""

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path

from runoff.errors import ModelError
from runoff.files.atomic_file import write_atomically
from runoff.files.untrusted_file import read_bytes

_LOGGER = logging.getLogger("runoff.conversion")
_MAGIC = b"runoff-cache-1"
# Larger entries are ignored, so that a huge file cannot exhaust memory. A network with 256 hidden units needs 90 kB.
_MAX_ENTRY_BYTES = 2**30

# Names and values that together identify a cache entry. The values must be JSON-serialisable.
Key = Mapping[str, object]


class ChecksummedStore:
    """
    A key-value store for cached data. Failed reads and writes are logged, because callers can work without a cache.

    An entry's file contains a magic string, the SHA-256 of the rest, the key as a line of JSON, and the stored bytes.

    Args:
        folder: Folder of the entries; created when the first entry is stored.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._warned = False

    def path_of(self, key: Key) -> Path:
        """Return the path of the file that stores the entry for this key. The file may be missing."""
        return self.folder / f"{hashlib.sha256(_to_json(key)).hexdigest()}.entry"

    def load(self, key: Key) -> bytes | None:
        """Return the bytes stored under a key, or None if the entry is missing or damaged. Damage is logged."""
        path = self.path_of(key)
        if not path.exists():
            return None
        try:
            seal, _, rest = read_bytes(path, _MAX_ENTRY_BYTES).partition(b"\n")
        except ModelError as error:
            _LOGGER.warning("cache entry %s; it will be replaced", error)
            return None
        stored_key, _, content = rest.partition(b"\n")
        if seal != _seal(rest):
            problem = "is truncated, corrupt or not a cache entry"
        elif stored_key != _to_json(key):
            problem = "belongs to another key"
        else:
            return content
        _LOGGER.warning("cache entry %s: %s; it will be replaced", path, problem)
        return None

    def store(self, key: Key, content: bytes) -> None:
        """Store bytes under a key. If writing fails, log a warning, but only for the first failure."""
        rest = _to_json(key) + b"\n" + content
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Flushing to disk is not needed, because the checksum detects an entry that a power cut left incomplete.
            write_atomically(self.path_of(key), _seal(rest) + b"\n" + rest, durable=False)
        except OSError as error:
            if not self._warned:
                _LOGGER.warning("the cache %s cannot be written: %s; going on without it", self.folder, error.strerror)
            self._warned = True


def _seal(rest: bytes) -> bytes:
    """Return the first line of an entry's file: the magic string and the checksum of the remaining lines."""
    return _MAGIC + b" " + hashlib.sha256(rest).hexdigest().encode()


def _to_json(key: Key) -> bytes:
    """Encode a key as JSON. Equal keys always give equal bytes."""
    return json.dumps(key, sort_keys=True, separators=(",", ":")).encode()
