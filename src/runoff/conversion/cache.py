"""The cache of verified conversions, by network and by source file; a hit imports neither torch nor onnx."""

import dataclasses
import hashlib
import os
from pathlib import Path
from typing import Any

import platformdirs

from runoff.conversion import toolchain
from runoff.conversion.onnx_model import OnnxModel, ParityReport
from runoff.conversion.sealed_store import Key, SealedStore
from runoff.models.mlp import Kind

CACHE_DIR_VARIABLE = "RUNOFF_CACHE_DIR"


def default_folder() -> Path:
    """Return the folder RUNOFF_CACHE_DIR names, or the user's cache folder."""
    named = os.environ.get(CACHE_DIR_VARIABLE)
    return Path(named) if named else Path(platformdirs.user_cache_dir("runoff"))


class ConversionCache:
    """
    Conversions kept in a folder, each under its digest, opset and the versions of all that made it.

    Reading never raises: what is missing, corrupt, foreign or of other versions is a miss. Writing never raises:
    a folder that cannot be written is told to the log. Several processes may use one folder.

    Args:
        folder: Where; `default_folder()` if not given.
        versions: What made the conversions; `toolchain.versions()` if not given.
    """

    def __init__(self, folder: Path | None = None, versions: dict[str, str] | None = None) -> None:
        self.folder = (folder or default_folder()) / "conversions"
        self._versions = toolchain.versions() if versions is None else versions
        self._store = SealedStore(self.folder)

    def path_of(self, digest: str, opset: int) -> Path:
        """Return the file that holds a network's conversion, or would."""
        return self._store.path_of(self._key("network", digest, opset))

    def load(self, digest: str, opset: int) -> OnnxModel | None:
        """Return a network's conversion, without its mlp, or None."""
        entry = self._store.load(self._key("network", digest, opset))
        return None if entry is None else _model_from(*entry)

    def store(self, model: OnnxModel, opset: int) -> None:
        """Keep a verified conversion."""
        self._store.store(self._key("network", model.digest, opset), _facts_of(model), model.onnx)

    def load_source(self, source: bytes, opset: int) -> OnnxModel | None:
        """Return the conversion of a model file by its unparsed content, without its mlp, or None."""
        entry = self._store.load(self._key("source", _sha256(source), opset))
        return None if entry is None else self.load(entry[0]["digest"], opset)

    def store_source(self, source: bytes, digest: str, opset: int) -> None:
        """Keep which network a model file's content holds."""
        self._store.store(self._key("source", _sha256(source), opset), {"digest": digest})

    def load_template(self, form: str, opset: int) -> bytes | None:
        """Return what the exporter wrote for a form of network, or None."""
        entry = self._store.load(self._key("template", form, opset))
        return None if entry is None else entry[1]

    def store_template(self, form: str, opset: int, exported: bytes) -> None:
        """Keep what the exporter wrote for a form of network."""
        self._store.store(self._key("template", form, opset), {}, exported)

    def _key(self, what: str, name: str, opset: int) -> Key:
        return {"what": what, "name": name, "opset": opset, "versions": self._versions}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _facts_of(model: OnnxModel) -> dict[str, Any]:
    assert model.accuracy is not None and model.kind is not None  # noqa: S101, PT018 - only verified conversions are kept
    return {
        "kind": str(model.kind),
        "sizes": [model.input_size, model.hidden_size, model.output_size],
        "digest": model.digest,
        "parity": dataclasses.asdict(model.accuracy),
    }


def _model_from(facts: dict[str, Any], payload: bytes) -> OnnxModel:
    input_size, hidden_size, output_size = facts["sizes"]
    return OnnxModel(
        onnx=payload,
        input_size=input_size,
        output_size=output_size,
        mlp=None,
        digest=facts["digest"],
        accuracy=ParityReport(**facts["parity"]),
        kind=Kind(facts["kind"]),
        hidden_size=hidden_size,
    )
