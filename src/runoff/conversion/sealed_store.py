"""A folder of sealed entries: each holds its key and a checksum; what is not exactly what was stored is a miss."""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

from runoff.errors import ModelError
from runoff.files.atomic_file import write_atomically
from runoff.files.untrusted_file import read_bytes

_LOGGER = logging.getLogger("runoff.conversion")
_MAGIC = b"runoff-cache-1"
# Far over any entry (a 256-unit network has 90 kB); keeps a stray file from filling the memory.
_MAX_ENTRY_BYTES = 2**30

Key = dict[str, Any]


class SealedStore:
    """
    A content store that never raises: an entry is there and whole, or it is a miss.

    Layout of an entry: magic, SHA-256 of the rest, a JSON line {"key": ..., "facts": ...}, the payload.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._complained = False

    def path_of(self, key: Key) -> Path:
        """Return the file in which a key's entry lies or would lie."""
        return self.folder / f"{hashlib.sha256(_canonical(key)).hexdigest()}.entry"

    def load(self, key: Key) -> tuple[dict[str, Any], bytes] | None:
        """Return a key's facts and payload, or None; a broken entry is told to the log."""
        path = self.path_of(key)
        if not path.exists():
            return None
        try:
            seal, _, rest = read_bytes(path, _MAX_ENTRY_BYTES).partition(b"\n")
            if seal != _seal(rest):
                raise ValueError("is truncated, corrupt or no entry of this cache")
            header, _, payload = rest.partition(b"\n")
            document = json.loads(header)
            if document["key"] != key:
                raise ValueError("holds the entry of another key")
            return document["facts"], payload
        except (ModelError, ValueError, KeyError, TypeError) as error:
            _LOGGER.warning("cache entry %s %s; it is made anew", path, error)
            return None

    def store(self, key: Key, facts: dict[str, Any], payload: bytes = b"") -> None:
        """Store an entry; where that fails, say so once in the log."""
        rest = _canonical({"key": key, "facts": facts}) + b"\n" + payload
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # What a power cut leaves of an entry fails its checksum and is a miss, so none waits for the disk.
            write_atomically(self.path_of(key), _seal(rest) + b"\n" + rest, durable=False)
        except OSError as error:
            if not self._complained:
                _LOGGER.warning("the cache %s cannot be written: %s; going on without it", self.folder, error.strerror)
            self._complained = True


def _seal(rest: bytes) -> bytes:
    return _MAGIC + b" " + hashlib.sha256(rest).hexdigest().encode()


def _canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
