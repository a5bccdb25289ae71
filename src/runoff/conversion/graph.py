"""The exported graph as data: put a network's weights in, read them back, lay its logits open."""

import numpy as np
import onnx

from runoff.errors import ConversionError
from runoff.models.mlp import Float32Array, Mlp

# Initializer in the graph (the torch module's parameter names) to attribute of Mlp.
WEIGHT_NAMES = {
    "hidden.weight": "weights_hidden",
    "hidden.bias": "biases_hidden",
    "output.weight": "weights_output",
    "output.bias": "biases_output",
}
LOGITS_NAME = "logits_of_copy"
# Stands in every file that runoff wrote, so that it can tell its own from another's.
DIGEST_PROPERTY, KIND_PROPERTY = "runoff.digest", "runoff.kind"


def template(exported: bytes) -> onnx.ModelProto:
    """
    Make an exporter's output a template: without what differs from machine to machine.

    Args:
        exported: A serialised model.

    Returns:
        The model without the exporter's notes (stack traces with paths) and inferred shapes, which a runtime
        infers again.

    Raises:
        ConversionError: If its weights are not the four float32 initializers expected.
    """
    model = onnx.ModelProto.FromString(exported)
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    graph.ClearField("value_info")
    names = {tensor.name for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT}
    if not names >= set(WEIGHT_NAMES):
        raise ConversionError(f"the exported graph has float32 weights {sorted(names)}, expected {list(WEIGHT_NAMES)}")
    return model


def is_free_of_sizes(model: onnx.ModelProto) -> bool:
    """
    Whether a template fits every network of its kind once its weights are replaced.

    So it does if nothing but the weights, the input and the output can hold a size: no other initializer, no
    constant, no list of integers (the shape of a Reshape, say).
    """
    listed = (onnx.AttributeProto.INT, onnx.AttributeProto.FLOAT, onnx.AttributeProto.STRING)
    plain = all(attribute.type in listed for node in model.graph.node for attribute in node.attribute)
    return plain and {tensor.name for tensor in model.graph.initializer} == set(WEIGHT_NAMES)


def with_weights(model: onnx.ModelProto, mlp: Mlp) -> onnx.ModelProto:
    """
    Put a network's weights, rounded to float32, into a copy of a template.

    Args:
        model: A template of the same kind, of the same sizes or free of sizes.
        mlp: The network.

    Returns:
        The network as ONNX; equal arguments give equal bytes.
    """
    filled = onnx.ModelProto()
    filled.CopyFrom(model)
    for tensor in filled.graph.initializer:
        if tensor.name in WEIGHT_NAMES:
            weights = np.asarray(getattr(mlp, WEIGHT_NAMES[tensor.name]), dtype="<f4")
            tensor.CopyFrom(onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=weights.shape))
            tensor.raw_data = weights.tobytes()
    for value, size in ((filled.graph.input[0], mlp.input_size), (filled.graph.output[0], mlp.output_size)):
        value.type.tensor_type.shape.dim[1].dim_value = size
    filled.ClearField("metadata_props")
    onnx.helper.set_model_props(filled, {KIND_PROPERTY: str(mlp.kind), DIGEST_PROPERTY: mlp.digest})
    return filled


def weights_of(model: onnx.ModelProto) -> dict[str, Float32Array]:
    """Return the float32 weights that stand in a graph, by the names of Mlp's attributes."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    return {
        attribute: onnx.numpy_helper.to_array(tensors[name])
        for name, attribute in WEIGHT_NAMES.items()
        if name in tensors
    }


def with_logits(model: onnx.ModelProto) -> onnx.ModelProto:
    """
    Return a copy of a network's graph with a second output, LOGITS_NAME: what goes into the head.

    Raises:
        ConversionError: If no operator takes the output layer's biases.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    logits = next((node.output[0] for node in copy.graph.node if "output.bias" in node.input), None)
    if logits is None:
        raise ConversionError("the graph has no operator that adds output.bias, so its logits cannot be checked")
    identity = onnx.helper.make_node("Identity", [logits], [LOGITS_NAME])
    copy.graph.node.append(identity)
    copy.graph.output.append(onnx.helper.make_tensor_value_info(LOGITS_NAME, onnx.TensorProto.FLOAT, None))
    return copy


def serialise(model: onnx.ModelProto) -> bytes:
    """Return a model's bytes, the same for the same model."""
    return bytes(model.SerializeToString(deterministic=True))
