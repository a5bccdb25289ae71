"""ONNX models for tests: incorrect conversions, and models that a user might supply instead of a conversion."""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Shape = list[int | str | None]


def linear_model(
    input_shape: Shape | None = None,
    output_shape: Shape | None = None,
    element_type: int = TensorProto.FLOAT,
    opset: int = 18,
    ir_version: int = 10,
    weights: np.ndarray | None = None,
    domain: str = "",
) -> onnx.ModelProto:
    """Make a model of one MatMul without validating it. By default, inputs have 3 columns and outputs have 2."""
    matrix = np.ones((3, 2), np.float32) if weights is None else weights
    node = helper.make_node("MatMul", ["x", "w"], ["y"], domain=domain)
    graph = helper.make_graph(
        [node],
        "linear",
        [helper.make_tensor_value_info("x", element_type, ["n", 3] if input_shape is None else input_shape)],
        [helper.make_tensor_value_info("y", element_type, ["n", 2] if output_shape is None else output_shape)],
        [numpy_helper.from_array(matrix, "w")],
    )
    imports = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(graph, opset_imports=imports, ir_version=ir_version)


def edited(model_bytes: bytes, edit: Callable[[onnx.ModelProto], None]) -> bytes:
    """Parse a serialized model, apply an edit to it, and serialize it again."""
    model = onnx.ModelProto.FromString(model_bytes)
    edit(model)
    return bytes(model.SerializeToString())


def with_operator(old: str, new: str) -> Callable[[onnx.ModelProto], None]:
    """Return a function that edits a model by replacing one operator with another."""

    def edit(model: onnx.ModelProto) -> None:
        (node,) = [node for node in model.graph.node if node.op_type == old]
        node.op_type = new

    return edit


def with_tensor(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[onnx.ModelProto], None]:
    """Return a function that edits a model by changing the weight tensor of the given name."""

    def edit(model: onnx.ModelProto) -> None:
        (tensor,) = [tensor for tensor in model.graph.initializer if tensor.name == name]
        changed = np.ascontiguousarray(change(numpy_helper.to_array(tensor).copy()))
        tensor.CopyFrom(numpy_helper.from_array(changed, name))

    return edit
