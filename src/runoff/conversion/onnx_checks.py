"""
Check a user's ONNX model before it is benchmarked.

The model must be self-contained, use standard operators, and have one float32 input [batch, features] and one float32
output [batch, outputs].
"""

import functools
import hashlib
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np
import onnx
from google.protobuf.message import DecodeError, Message
from onnx import TensorProto

from runoff.conversion.onnx_model import OnnxModel
from runoff.conversion.single_thread_session import open_single_thread_session
from runoff.errors import ModelError, quote

_STANDARD_DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}
# Limits far above the networks that runoff is made for, but low enough that the trial run cannot exhaust memory.
_MAX_FEATURES = 2**20
_MAX_FIXED_BATCH = 2**16
_Fail = Callable[[str, str], NoReturn]


def check(content: bytes, where: str) -> OnnxModel:
    """
    Check that a serialised ONNX model can be benchmarked. `where` is the file's name, used in error messages.

    Returns:
        The model, with mlp=None and accuracy=None, because there is no reference for it.

    Raises:
        ModelError: If the model cannot be used; the message states what was found and what was expected.
    """
    fail = functools.partial(_fail, where)
    model = _parse(content, fail)
    tensors = list(_nested_messages(model, TensorProto))
    # Reject external data first, so that no later check opens the external files.
    for tensor in tensors:
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            fail(f"tensor {quote(tensor.name)} has external data", "all weights inside the file")
    _check_versions(model, fail)
    _check_operators(model, fail)
    try:
        onnx.checker.check_model(content)
    except Exception as error:  # noqa: BLE001, RUF100 - onnx.checker raises many types for malformed input
        fail(f"is not valid ONNX ({_first_line(error)})", "a model that onnx.checker accepts")
    _check_weights(tensors, fail)
    input_name, input_size, fixed = _check_input(model, fail)
    if len(model.graph.output) != 1:
        fail(f"has {len(model.graph.output)} outputs", "one")
    return OnnxModel(
        onnx=content,
        input_size=input_size,
        output_size=_run_on_zeros(content, input_name, input_size, fixed, fail),
        mlp=None,
        digest=hashlib.sha256(content).hexdigest(),
        accuracy=None,
        fixed_batch_size=fixed,
    )


def _fail(where: str, found: str, expected: str) -> NoReturn:
    raise ModelError(f"{where}: {found}, expected {expected}")


def _parse(content: bytes, fail: _Fail) -> onnx.ModelProto:
    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError:
        fail("is truncated or not an ONNX model", "a serialised ONNX ModelProto")
    if not model.graph.node:
        fail("contains no operators; it may be truncated or not an ONNX model", "a graph with an input and an output")
    return model


def _check_versions(model: onnx.ModelProto, fail: _Fail) -> None:
    if not 3 <= model.ir_version <= onnx.IR_VERSION:
        fail(f"has IR version {model.ir_version}", f"3 to {onnx.IR_VERSION}, which the installed onnx supports")
    newest = onnx.defs.onnx_opset_version()
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx") and not 1 <= entry.version <= newest:
            fail(f"needs opset {entry.version}", f"1 to {newest}, which the installed onnx supports")


def _check_operators(model: onnx.ModelProto, fail: _Fail) -> None:
    local_functions = {(function.domain, function.name) for function in model.functions}
    for node in _nested_messages(model, onnx.NodeProto):
        if node.domain not in _STANDARD_DOMAINS and (node.domain, node.op_type) not in local_functions:
            fail(
                f"operator {quote(node.op_type)} belongs to the custom domain {quote(node.domain)}",
                "operators of ONNX's own domains, which every runtime supports",
            )


def _check_weights(tensors: list[TensorProto], fail: _Fail) -> None:
    for tensor in tensors:
        if tensor.data_type not in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16):
            continue
        try:
            values = onnx.numpy_helper.to_array(tensor).astype(np.float64)
        except (ValueError, TypeError) as error:
            fail(f"tensor {quote(tensor.name)} is broken ({_first_line(error)})", "as many numbers as its shape has")
        if not np.isfinite(values).all():
            index = int(np.isfinite(values).argmin())
            fail(f"tensor {quote(tensor.name)} contains {values.flat[index]:g} at {index}", "finite weights")


def _check_input(model: onnx.ModelProto, fail: _Fail) -> tuple[str, int, int | None]:
    """Check the model's only input. Return its name, its number of features and its batch size (None if dynamic)."""
    # In ONNX IR version 3, graph.input lists the weights too, so leave the weights out.
    weights = {tensor.name for tensor in model.graph.initializer}
    weights |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(quote(value.name, 20) for value in inputs[:5])
        fail(f"has {len(inputs)} inputs ({names})", "one")
    value = inputs[0]
    label, tensor_type = f"input {quote(value.name)}", value.type.tensor_type
    if value.type.WhichOneof("value") != "tensor_type" or tensor_type.elem_type != TensorProto.FLOAT:
        kind = value.type.WhichOneof("value") or "nothing"
        if kind == "tensor_type" and tensor_type.elem_type in TensorProto.DataType.values():
            kind = TensorProto.DataType.Name(tensor_type.elem_type)
        fail(f"{label} is of type {kind}", "a tensor of FLOAT (float32)")
    dims = tensor_type.shape.dim
    if not tensor_type.HasField("shape") or len(dims) != 2:
        found = f"{len(dims)} dimensions" if tensor_type.HasField("shape") else "no shape"
        fail(f"{label} has {found}", "2: batch and features")
    batch, features = dims
    if features.WhichOneof("value") != "dim_value" or not 1 <= features.dim_value <= _MAX_FEATURES:
        shown = quote(features.dim_param or features.dim_value)
        fail(f"{label} has the feature dimension {shown}", f"a number from 1 to {_MAX_FEATURES}")
    if batch.WhichOneof("value") != "dim_value" or batch.dim_value < 0:
        return value.name, features.dim_value, None
    if not 1 <= batch.dim_value <= _MAX_FIXED_BATCH:
        fail(f"{label} has the fixed batch size {batch.dim_value}", f"a dynamic one, or 1 to {_MAX_FIXED_BATCH}")
    return value.name, features.dim_value, batch.dim_value


def _run_on_zeros(content: bytes, input_name: str, input_size: int, fixed: int | None, fail: _Fail) -> int:
    """Run the model in ONNX Runtime on batches of zeros, check the outputs, and return the output size."""
    batches = [np.zeros((size, input_size), np.float32) for size in ((1, 3) if fixed is None else (fixed,))]
    try:
        session = open_single_thread_session(content)
        results = [session.run(None, {input_name: batch})[0] for batch in batches]
    except Exception as error:  # noqa: BLE001, RUF100 - ONNX Runtime's exception types are not public
        fail(f"cannot be run by ONNX Runtime ({_first_line(error)})", "a model that it supports")
    output_sizes: set[int] = set()
    for batch, outputs in zip(batches, results, strict=True):
        shape: tuple[int, ...] = getattr(outputs, "shape", ())
        is_matrix = len(shape) == 2 and outputs.dtype == np.float32
        if not is_matrix or shape[0] != len(batch) or not shape[1]:
            found = f"{getattr(outputs, 'dtype', type(outputs).__name__)} of shape {shape}"
            fail(f"returns {found} for a batch of {len(batch)}", f"float32 of shape ({len(batch)}, outputs)")
        if not np.isfinite(outputs).all():
            fail(f"returns NaN or infinity for a batch of {len(batch)} zeros", "finite outputs")
        output_sizes.add(shape[1])
    if len(output_sizes) != 1:
        fail("has an output size that depends on the batch size", "a fixed output size")
    return output_sizes.pop()


def _first_line(error: Exception) -> str:
    return quote((str(error).strip().splitlines() or [type(error).__name__])[0], 200)


def _nested_messages(root: Message, kind: type[Any]) -> Iterator[Any]:
    """Yield the protobuf messages of type `kind` in `root`, at any depth, including attributes and subgraphs."""
    pending: list[Message] = [root]
    while pending:
        message = pending.pop()
        if isinstance(message, kind):
            yield message
        for field, value in message.ListFields():
            if field.message_type is not None:
                pending.extend([value] if isinstance(value, Message) else value)
