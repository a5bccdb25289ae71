"""A cache of verified ONNX conversions. Reading from the cache imports neither torch nor onnx."""

import dataclasses
import hashlib
from pathlib import Path

import msgspec

from runoff.conversion import toolchain
from runoff.conversion.checksummed_store import ChecksummedStore, Key
from runoff.conversion.onnx_model import OnnxModel
from runoff.files.cache_folder import cache_folder


class ConversionCache:
    """
    A folder of verified ONNX conversions, keyed by model digest, opset and converter versions.

    No method raises an exception: a damaged entry is treated as missing, and a failure to write is logged. Several
    processes may use one folder at the same time.

    Args:
        folder: Folder of the cache; `cache_folder()` by default.
        versions: Versions of the converter's parts; `toolchain.versions()` by default.
    """

    def __init__(self, folder: Path | None = None, versions: dict[str, str] | None = None) -> None:
        self.folder = (folder or cache_folder()) / "conversions"
        self._versions = toolchain.versions() if versions is None else versions
        self._store = ChecksummedStore(self.folder)

    def load(self, digest: str, opset: int) -> OnnxModel | None:
        """Find a conversion by its network's digest. Return it with mlp=None, or return None if none is cached."""
        entry = self._store.load(self._key("network", digest, opset))
        if entry is None:
            return None
        facts, _, onnx = entry.partition(b"\n")
        return dataclasses.replace(msgspec.json.decode(facts, type=OnnxModel), onnx=onnx)

    def store(self, model: OnnxModel, opset: int) -> None:
        """Store a verified conversion: one line of JSON with all fields except `onnx`, followed by the ONNX bytes."""
        facts = msgspec.json.encode(dataclasses.replace(model, onnx=b"", mlp=None))
        self._store.store(self._key("network", model.digest, opset), facts + b"\n" + model.onnx)

    def load_source(self, source: bytes, opset: int) -> OnnxModel | None:
        """Find a conversion by its model file's content. Return it with mlp=None, or return None if none is cached."""
        digest = self._store.load(self._key("source", _sha256(source), opset))
        return None if digest is None else self.load(digest.decode(), opset)

    def store_source(self, source: bytes, digest: str, opset: int) -> None:
        """Map the content of a model file to its network's digest, so that `load_source` can find the conversion."""
        self._store.store(self._key("source", _sha256(source), opset), digest.encode())

    def load_template(self, architecture: str, opset: int) -> bytes | None:
        """Return the exporter's output for an architecture such as `policy (5, 7, 3)`, or None if it is not cached."""
        return self._store.load(self._key("template", architecture, opset))

    def store_template(self, architecture: str, opset: int, exported: bytes) -> None:
        """Store the exporter's output for an architecture."""
        self._store.store(self._key("template", architecture, opset), exported)

    def _key(self, entry_type: str, name: str, opset: int) -> Key:
        return {"what": entry_type, "name": name, "opset": opset, "versions": self._versions}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
