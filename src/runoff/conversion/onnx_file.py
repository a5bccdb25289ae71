"""Read a user's ONNX file, which is untrusted, and reject it if runoff cannot benchmark its model."""

from pathlib import Path

from runoff.conversion.onnx_model import OnnxModel
from runoff.errors import ModelError
from runoff.files.untrusted_file import read_bytes

# Larger ONNX files are rejected. Networks that runoff is made for need less than 1 MiB; protobuf's limit is 2 GiB.
MAX_ONNX_BYTES = 256 * 2**20
_PICKLE_SUFFIXES = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".bin"}
# First bytes of other file formats that users may pass by mistake, each with the text for the error message.
_OTHER_FORMATS = (
    (b"PK\x03\x04", "is a zip archive, as written by torch.save"),
    *((b"\x80" + bytes([protocol]), "is a Python pickle") for protocol in range(2, 6)),
    (b"<", "is HTML or XML, perhaps a web page that was saved instead of the model"),
    (b"{", "is JSON; convert a model file of the Go trainer with: runoff convert"),
)


def read_onnx(path: Path) -> OnnxModel:
    """
    Read a user's ONNX file and check that runoff can benchmark its model.

    Returns:
        The model, with mlp=None and accuracy=None, because there is no reference for it.

    Raises:
        ModelError: If the file is not ONNX, has external data, custom operators, more than one input or output, a type
            other than float32, an unknown feature size or weights that are not finite, or if ONNX Runtime fails to run
            it.
    """
    if path.suffix.lower() in _PICKLE_SUFFIXES:
        raise ModelError(
            f"{path}: is a {path.suffix} file, expected an .onnx file; it may be a pickle, which can run code, so it is"
            " not opened; export the model with torch.onnx.export"
        )
    content = read_bytes(path, MAX_ONNX_BYTES)
    if not content:
        raise ModelError(f"{path}: is empty, expected an ONNX model")
    for magic, description in _OTHER_FORMATS:
        if content.lstrip()[: len(magic)] == magic:
            raise ModelError(f"{path}: {description}, expected an ONNX model")
    from runoff.conversion import onnx_checks

    return onnx_checks.check(content, str(path))
