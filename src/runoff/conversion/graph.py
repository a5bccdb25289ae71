"""Insert a network's weights into an exported ONNX graph, read a graph's weights, or add the logits as an output."""

import numpy as np
import onnx

from runoff.errors import ConversionError
from runoff.models.mlp import Float32Array, Mlp

# Maps initializers of the graph to attributes of Mlp. The exporter names initializers after MlpModule's parameters.
WEIGHT_NAMES = {
    "hidden.weight": "weights_hidden",
    "hidden.bias": "biases_hidden",
    "output.weight": "weights_output",
    "output.bias": "biases_output",
}
LOGITS_NAME = "logits_of_copy"
# Metadata keys that mark ONNX files written by runoff. `runoff convert` overwrites other files only with --force.
DIGEST_PROPERTY, KIND_PROPERTY = "runoff.digest", "runoff.kind"


def make_template(exported: bytes) -> onnx.ModelProto:
    """
    Parse an exported model and remove everything that depends on the machine that exported it.

    The exporter's metadata contain stack traces with paths. Inferred shapes are removed too, because a runtime infers
    them again.

    Raises:
        ConversionError: If the model lacks one of the four float32 initializers in WEIGHT_NAMES.
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


def fits_all_sizes(model: onnx.ModelProto) -> bool:
    """
    Return whether a template (an exported graph) can be reused for every layer size by replacing its weights.

    It can if only its weights, input and output depend on layer sizes: the graph must have no other initializer, no
    constant, and no attribute that is a list of integers, such as the shape of a Reshape.
    """
    scalar_types = (onnx.AttributeProto.INT, onnx.AttributeProto.FLOAT, onnx.AttributeProto.STRING)
    only_scalars = all(attribute.type in scalar_types for node in model.graph.node for attribute in node.attribute)
    return only_scalars and {tensor.name for tensor in model.graph.initializer} == set(WEIGHT_NAMES)


def with_weights(model: onnx.ModelProto, mlp: Mlp) -> onnx.ModelProto:
    """
    Return a copy of a template with a network's weights, rounded to float32. Equal arguments give equal models.

    The template must have been exported for the network's kind and, unless it fits all sizes, for the network's sizes.
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
    """Return a model's float32 weights as a dict whose keys are attribute names of Mlp, such as `weights_hidden`."""
    weights = (tensor for tensor in model.graph.initializer if tensor.name in WEIGHT_NAMES)
    return {WEIGHT_NAMES[tensor.name]: onnx.numpy_helper.to_array(tensor) for tensor in weights}


def with_logits(model: onnx.ModelProto) -> onnx.ModelProto:
    """
    Return a copy of a model whose graph has the logits as a second output, named LOGITS_NAME.

    Raises ConversionError if no operator in the graph adds the output layer's biases.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    logits = next((node.output[0] for node in copy.graph.node if "output.bias" in node.input), None)
    if logits is None:
        raise ConversionError("the graph has no operator that adds output.bias, expected one that computes the logits")
    identity = onnx.helper.make_node("Identity", [logits], [LOGITS_NAME])
    copy.graph.node.append(identity)
    copy.graph.output.append(onnx.helper.make_tensor_value_info(LOGITS_NAME, onnx.TensorProto.FLOAT, None))
    return copy


def serialise(model: onnx.ModelProto) -> bytes:
    """Serialise a model. Equal models always give equal bytes."""
    return bytes(model.SerializeToString(deterministic=True))
