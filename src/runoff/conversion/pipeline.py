"""From a network to verified ONNX: template, weights, checker, parity; each only where the cache does not have it."""

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

# The lowest the exporter writes without converting its own output, so that the most runtimes read it.
DEFAULT_OPSET = 18
# Three different sizes of no meaning: the exporter's graph is the same for all (see graph.is_free_of_sizes).
_TEMPLATE_SIZES = {Kind.POLICY: (5, 7, 3), Kind.VALUE: (5, 7, 1)}


def convert(mlp: Mlp, *, opset: int | None = None, cache: ConversionCache | None = None) -> OnnxModel:
    """
    Convert a network to ONNX through PyTorch's exporter and verify the result.

    Args:
        mlp: The network.
        opset: ONNX operator set; DEFAULT_OPSET if not given.
        cache: Where to look first and to keep the result; nothing is kept if not given.

    Returns:
        The conversion; the same network gives the same bytes.

    Raises:
        UsageError: If opset is no positive number.
        ConversionError: If torch is not installed or the exporter cannot write that opset.
        ParityError: If the converted model is not the network.
    """
    opset = _checked_opset(opset)
    cached = cache.load(mlp.digest, opset) if cache else None
    if cached is not None:
        return dataclasses.replace(cached, mlp=mlp)
    model = _convert(mlp, opset, cache)
    if cache:
        cache.store(model, opset)
    return model


def convert_file(
    path: Path,
    *,
    opset: int | None = None,
    cache: ConversionCache | None = None,
    kind: Kind | None = None,
    fresh: bool = False,
) -> OnnxModel:
    """
    Convert a Go trainer's model file.

    Args:
        path: The file.
        opset: As in `convert`.
        cache: As in `convert`; an unchanged file that is in it is not even parsed, and the result has no mlp.
        kind: The kind the network must be of, any if not given.
        fresh: Convert anew and replace what the cache has.

    Returns:
        The conversion.

    Raises:
        ModelError: If the file is no network or one of another kind.
        RunoffError: As `convert`; the message starts with the path.
    """
    opset = _checked_opset(opset)
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


def _checked_opset(opset: int | None) -> int:
    if opset is None:
        return DEFAULT_OPSET
    if opset < 1:
        raise UsageError(f"opset is {opset}, expected a positive number such as {DEFAULT_OPSET}")
    return opset


def _check_kind(path: Path, found: Kind | None, wanted: Kind | None) -> None:
    if wanted is not None and found is not wanted:
        raise ModelError(f"{path}: is a {found} network, expected a {wanted} network as --kind says")


def _convert(mlp: Mlp, opset: int, cache: ConversionCache | None) -> OnnxModel:
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
    """Return an exported graph of the network's form; the exporter runs once for all networks of a form."""
    from runoff.conversion import graph

    model = graph.template(_exported(mlp.kind, _TEMPLATE_SIZES[mlp.kind], opset, cache))
    if not graph.is_free_of_sizes(model):
        model = graph.template(_exported(mlp.kind, mlp.sizes, opset, cache))
    return model


def _exported(kind: Kind, sizes: tuple[int, int, int], opset: int, cache: ConversionCache | None) -> bytes:
    form = f"{kind} {sizes}"
    kept = cache.load_template(form, opset) if cache else None
    if kept is not None:
        return kept
    exported = _run_exporter(kind, sizes, opset)
    if cache:
        cache.store_template(form, opset, exported)
    return exported


@lru_cache(maxsize=64)
def _run_exporter(kind: Kind, sizes: tuple[int, int, int], opset: int) -> bytes:
    from runoff.conversion import export

    return export.export(kind, sizes, opset)
