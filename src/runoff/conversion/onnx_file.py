"""An ONNX file that a user gives: untrusted, held against what runoff can benchmark before any runtime sees it."""

import hashlib
from pathlib import Path

from runoff.conversion.onnx_model import OnnxModel
from runoff.errors import ModelError
from runoff.files.untrusted_file import read_bytes

# Protobuf's own limit is 2 GiB; the networks meant here have less than one MiB.
MAX_ONNX_BYTES = 256 * 2**20
_PICKLE_SUFFIXES = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".bin"}
# First bytes of what is given by mistake, and what it is.
_STRANGERS = (
    (b"PK\x03\x04", "is a zip archive, as torch.save writes it"),
    *((b"\x80" + bytes([protocol]), "is a Python pickle") for protocol in range(2, 6)),
    (b"<", "is HTML or XML, perhaps a download page"),
    (b"{", "is JSON; a trainer's model file is converted with: runoff convert"),
)


def read_onnx(path: Path) -> OnnxModel:
    """
    Read a user's ONNX file and make sure that it is a network runoff can run.

    Args:
        path: The file.

    Returns:
        The model, without mlp and accuracy: there is no reference for it. `fixed_batch_size` says which batch size
        it takes where its batch dimension is not dynamic.

    Raises:
        ModelError: If it is no ONNX, has external data, custom operators, more than one input or output, another
            type than float32, an unknown feature size, weights that are not finite, or ONNX Runtime cannot run it.
    """
    if path.suffix.lower() in _PICKLE_SUFFIXES:
        raise ModelError(
            f"{path}: a {path.suffix} file may be a pickle, which can run code and is never opened;"
            " expected an .onnx file, export one with torch.onnx.export"
        )
    content = read_bytes(path, MAX_ONNX_BYTES)
    if not content:
        raise ModelError(f"{path}: is empty, expected an ONNX model")
    for magic, what in _STRANGERS:
        if content.lstrip()[: len(magic)] == magic:
            raise ModelError(f"{path}: {what}, expected an ONNX model; it was not opened")
    from runoff.conversion import onnx_checks

    checked = onnx_checks.check(content, str(path))
    return OnnxModel(
        onnx=content,
        input_size=checked.input_size,
        output_size=checked.output_size,
        mlp=None,
        digest=hashlib.sha256(content).hexdigest(),
        accuracy=None,
        fixed_batch_size=checked.fixed_batch_size,
    )
