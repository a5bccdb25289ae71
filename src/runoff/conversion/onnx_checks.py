"""What a user's ONNX model must be: self-contained, of standard operators, float32 [batch, features] in and out."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import onnx
from google.protobuf.message import DecodeError, Message
from onnx import TensorProto

from runoff.conversion.session import open_session
from runoff.errors import ModelError, quote

_STANDARD_DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}
# A batch of a network far larger than any meant here; keeps a probe from taking all memory.
_MAX_FEATURES = 2**20
_MAX_FIXED_BATCH = 2**16


@dataclass(frozen=True)
class Signature:
    """Sizes of a model's one input and one output; fixed_batch_size is None for a dynamic batch dimension."""

    input_size: int
    output_size: int
    fixed_batch_size: int | None


def check(content: bytes, where: str) -> Signature:
    """
    Check a serialised ONNX model.

    Args:
        content: The file's bytes.
        where: What to call the file in messages.

    Returns:
        Its sizes.

    Raises:
        ModelError: If it cannot be used; says what was found and what was expected.
    """
    fail = functools.partial(_fail, where)
    model = _parse(content, fail)
    tensors = list(_messages(model, TensorProto))
    for tensor in tensors:
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            fail(f"tensor {quote(tensor.name)} has external data", "all weights inside the file")
    _check_versions(model, fail)
    _check_operators(model, fail)
    try:
        onnx.checker.check_model(content)
    except Exception as error:  # noqa: BLE001, RUF100 - the checker raises many types on hostile input
        fail(f"is not valid ONNX ({_first_line(error)})", "a model that onnx.checker accepts")
    _check_weights(tensors, fail)
    input_name, input_size, fixed = _input_of(model, fail)
    if len(model.graph.output) != 1:
        fail(f"has {len(model.graph.output)} outputs", "one")
    return Signature(input_size, _try_out(content, input_name, input_size, fixed, fail), fixed)


def _fail(where: str, found: str, wanted: str) -> NoReturn:
    raise ModelError(f"{where}: {found}, expected {wanted}")


def _parse(content: bytes, fail: Any) -> onnx.ModelProto:
    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError:
        fail("is no ONNX model or a truncated one", "a serialised ONNX ModelProto")
    if not model.graph.node:
        fail("holds no operators; it may be truncated or no ONNX model", "a graph with an input and an output")
    return model


def _check_versions(model: onnx.ModelProto, fail: Any) -> None:
    if not 3 <= model.ir_version <= onnx.IR_VERSION:
        fail(f"has IR version {model.ir_version}", f"3 to {onnx.IR_VERSION}, the newest the installed onnx knows")
    newest = onnx.defs.onnx_opset_version()
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx") and not 1 <= entry.version <= newest:
            fail(f"needs opset {entry.version}", f"1 to {newest}, the newest the installed onnx knows")


def _check_operators(model: onnx.ModelProto, fail: Any) -> None:
    own = {(function.domain, function.name) for function in model.functions}
    for node in _messages(model, onnx.NodeProto):
        if node.domain not in _STANDARD_DOMAINS and (node.domain, node.op_type) not in own:
            fail(
                f"operator {quote(node.op_type)} is of the custom domain {quote(node.domain)}",
                "operators of ONNX's own domains, which every runtime has",
            )


def _check_weights(tensors: list[TensorProto], fail: Any) -> None:
    for tensor in tensors:
        if tensor.data_type not in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16):
            continue
        try:
            values = onnx.numpy_helper.to_array(tensor).astype(np.float64)
        except (ValueError, TypeError) as error:
            fail(f"tensor {quote(tensor.name)} is broken ({_first_line(error)})", "as many numbers as its shape says")
        if not np.isfinite(values).all():
            index = int(np.isfinite(values).argmin())
            fail(f"tensor {quote(tensor.name)} holds {values.flat[index]:g} at {index}", "finite weights")


def _input_of(model: onnx.ModelProto, fail: Any) -> tuple[str, int, int | None]:
    """Return name, feature size and fixed batch size (None if dynamic) of the one input."""
    weights = {tensor.name for tensor in model.graph.initializer}
    weights |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(quote(value.name, 20) for value in inputs[:5])
        fail(f"has {len(inputs)} inputs ({names})", "one")
    value = inputs[0]
    what, tensor_type = f"input {quote(value.name)}", value.type.tensor_type
    if value.type.WhichOneof("value") != "tensor_type" or tensor_type.elem_type != TensorProto.FLOAT:
        kind = value.type.WhichOneof("value") or "nothing"
        if kind == "tensor_type" and tensor_type.elem_type in TensorProto.DataType.values():
            kind = TensorProto.DataType.Name(tensor_type.elem_type)
        fail(f"{what} is of type {kind}", "a tensor of FLOAT (float32)")
    dims = tensor_type.shape.dim
    if not tensor_type.HasField("shape") or len(dims) != 2:
        found = f"{len(dims)} dimensions" if tensor_type.HasField("shape") else "no shape"
        fail(f"{what} has {found}", "2: batch and features")
    batch, features = dims
    if features.WhichOneof("value") != "dim_value" or not 1 <= features.dim_value <= _MAX_FEATURES:
        shown = quote(features.dim_param or features.dim_value)
        fail(f"{what} has the feature dimension {shown}", f"a number, 1 to {_MAX_FEATURES}")
    if batch.WhichOneof("value") != "dim_value" or batch.dim_value < 0:
        return value.name, features.dim_value, None
    if not 1 <= batch.dim_value <= _MAX_FIXED_BATCH:
        fail(f"{what} has the fixed batch size {batch.dim_value}", f"a dynamic one, or 1 to {_MAX_FIXED_BATCH}")
    return value.name, features.dim_value, batch.dim_value


def _try_out(content: bytes, input_name: str, input_size: int, fixed: int | None, fail: Any) -> int:
    """Load the model in ONNX Runtime, run it on zeros and return its output size."""
    output_sizes: set[int] = set()
    try:
        session = open_session(content)
        for batch_size in (1, 3) if fixed is None else (fixed,):
            (found,) = session.run(None, {input_name: np.zeros((batch_size, input_size), np.float32)})
            shape = getattr(found, "shape", None)
            if shape is None or found.dtype != np.float32 or len(shape) != 2 or shape[0] != batch_size or not shape[1]:
                kind = f"{getattr(found, 'dtype', type(found).__name__)} of shape {shape}"
                fail(f"answers a batch of {batch_size} with {kind}", f"float32 of shape ({batch_size}, outputs)")
            if not np.isfinite(found).all():
                fail(f"answers a batch of {batch_size} zeros with a number that is not finite", "finite outputs")
            output_sizes.add(found.shape[1])
    except ModelError:
        raise
    except Exception as error:  # noqa: BLE001, RUF100 - the types ONNX Runtime raises are not public
        fail(f"cannot be run by ONNX Runtime ({_first_line(error)})", "a model it supports")
    if len(output_sizes) != 1:
        fail("has a number of outputs that depends on the batch", "a fixed one")
    return output_sizes.pop()


def _first_line(error: Exception) -> str:
    return quote((str(error).strip().splitlines() or [type(error).__name__])[0], 200)


def _messages(root: Message, kind: type[Any]) -> Iterator[Any]:
    """Yield every message of a type inside another, however deep: in attributes, subgraphs, functions and all."""
    pending: list[Message] = [root]
    while pending:
        message = pending.pop()
        if isinstance(message, kind):
            yield message
        for field, value in message.ListFields():
            if field.message_type is not None:
                pending.extend([value] if isinstance(value, Message) else value)
