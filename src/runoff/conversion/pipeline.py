"""
The steps of a conversion to ONNX. A step is skipped if the cache already holds its result.

PyTorch exports a template, the network's weights are inserted, ONNX's checker validates the model, and a parity check
compares it with the float64 reference.
"""

import dataclasses
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from runoff.conversion.cache import ConversionCache
from runoff.conversion.onnx_model import OnnxModel
from runoff.errors import ConversionError, ModelError, RunoffError, UsageError
from runoff.files.untrusted_file import read_bytes
from runoff.models import go_json
from runoff.models.mlp import Kind, Mlp

if TYPE_CHECKING:
    import onnx

# The lowest opset that the exporter writes without converting from a newer one. Low opsets run in more runtimes.
DEFAULT_OPSET = 18
# Arbitrary layer sizes of the exported template. If its graph depends on them, the network's own sizes are used.
_TEMPLATE_SIZES = {Kind.POLICY: (5, 7, 3), Kind.VALUE: (5, 7, 1)}


def convert(mlp: Mlp, *, opset: int = DEFAULT_OPSET, cache: ConversionCache | None = None) -> OnnxModel:
    """
    Convert a network to ONNX with PyTorch's exporter, and verify the result. Equal networks give equal bytes.

    Args:
        mlp: The network.
        opset: ONNX operator set.
        cache: Cache that is searched first and that keeps the result; no cache by default.

    Raises:
        UsageError: If `opset` is not positive.
        ConversionError: If torch is not installed or the exporter cannot write that opset.
        ParityError: If the converted model does not compute the same outputs as the network.
    """
    if opset < 1:
        raise UsageError(f"opset is {opset}, expected a positive number such as {DEFAULT_OPSET}")
    cached = cache.load(mlp.digest, opset) if cache else None
    if cached is not None:
        return dataclasses.replace(cached, mlp=mlp)
    model = _convert_uncached(mlp, opset, cache)
    if cache:
        cache.store(model, opset)
    return model


def convert_file(
    path: Path,
    *,
    opset: int = DEFAULT_OPSET,
    cache: ConversionCache | None = None,
    kind: Kind | None = None,
    fresh: bool = False,
) -> OnnxModel:
    """
    Convert a model file written by the Go trainer to ONNX, and verify the result.

    Args:
        path: The file.
        opset: ONNX operator set.
        cache: Cache that is searched first and that keeps the result. If it holds the conversion of an unchanged file,
            the file is not parsed and the result has mlp=None.
        kind: Expected kind of the network; any kind by default.
        fresh: Convert again even if the cache holds the conversion, and replace the cached one.

    Raises:
        ModelError: If the file does not contain a valid network, or contains one of the wrong kind.
        RunoffError: Any error of `convert`; the message starts with the path.
    """
    source = read_bytes(path, go_json.MAX_FILE_BYTES)
    cached = cache.load_source(source, opset) if cache and not fresh else None
    if cached is not None:
        _check_kind(path, cached.kind, kind)
        return cached
    mlp = go_json.parse(source, str(path))
    _check_kind(path, mlp.kind, kind)
    try:
        model = convert(mlp, opset=opset, cache=None if fresh else cache)
    except RunoffError as error:
        raise type(error)(f"{path}: {error}") from error
    if cache:
        if fresh:
            cache.store(model, opset)
        cache.store_source(source, model.digest, opset)
    return model


def _check_kind(path: Path, found: Kind | None, expected: Kind | None) -> None:
    if expected is not None and found is not expected:
        raise ModelError(f"{path}: is a {found} network, expected a {expected} network")


def _convert_uncached(mlp: Mlp, opset: int, cache: ConversionCache | None) -> OnnxModel:
    import onnx

    from runoff.conversion import graph, parity

    model_bytes = graph.serialise(graph.with_weights(_template(mlp, opset, cache), mlp))
    try:
        onnx.checker.check_model(model_bytes, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ConversionError(f"the converted {mlp.description} model is not valid ONNX: {error}") from error
    return OnnxModel(
        onnx=model_bytes,
        input_size=mlp.input_size,
        output_size=mlp.output_size,
        mlp=mlp,
        digest=mlp.digest,
        accuracy=parity.verify(mlp, model_bytes),
        kind=mlp.kind,
        hidden_size=mlp.hidden_size,
    )


def _template(mlp: Mlp, opset: int, cache: ConversionCache | None) -> "onnx.ModelProto":
    """Return an exported graph for the network. If the graph fits all layer sizes, all networks of a kind share it."""
    from runoff.conversion import graph

    model = graph.make_template(_export(mlp.kind, _TEMPLATE_SIZES[mlp.kind], opset, cache))
    if not graph.fits_all_sizes(model):
        model = graph.make_template(_export(mlp.kind, mlp.sizes, opset, cache))
    return model


def _export(kind: Kind, sizes: tuple[int, int, int], opset: int, cache: ConversionCache | None) -> bytes:
    """Return the exporter's serialised output for an architecture. Read it from the cache if possible."""
    architecture = f"{kind} {sizes}"
    cached = cache.load_template(architecture, opset) if cache else None
    if cached is not None:
        return cached
    exported = _run_exporter(kind, sizes, opset)
    if cache:
        cache.store_template(architecture, opset, exported)
    return exported


@lru_cache(maxsize=64)
def _run_exporter(kind: Kind, sizes: tuple[int, int, int], opset: int) -> bytes:
    from runoff.conversion import export

    return export.export(kind, sizes, opset)
