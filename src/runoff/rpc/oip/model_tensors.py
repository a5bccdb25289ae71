"""Reads the names and shapes of a model's input and output from an Open Inference Protocol server's metadata."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from runoff.errors import OtherModelError, ServiceError, ShapeError, quote
from runoff.rpc.oip.inference_pb2 import ModelMetadataResponse
from runoff.rpc.oip.names import DATATYPE, OUTPUT_NAME

_Tensor: TypeAlias = ModelMetadataResponse.TensorMetadata

_ANY = -1


@dataclass(frozen=True)
class ModelTensors:
    """
    The names and shapes of a model's only input tensor and only output tensor, both float32.

    Attributes:
        input_name: The server's name for the input.
        output_name: The server's name for the output.
        input_size: Features of one sample.
        output_size: Outputs of one sample.
        batch_size: The only batch size that the model accepts. None if it accepts all.
        has_batch_dimension: Whether shapes begin with the batch size. If not, a call contains exactly one sample.
    """

    input_name: str
    output_name: str
    input_size: int
    output_size: int
    batch_size: int | None = None
    has_batch_dimension: bool = True

    def input_shape(self, batch_size: int) -> tuple[int, ...]:
        """Return the input's shape in a request. Raise ShapeError if the model does not accept the batch size."""
        if self.batch_size not in (None, batch_size):
            raise ShapeError(f"the batch has {batch_size} samples, the model takes {self.batch_size} in one call")
        return (batch_size, self.input_size) if self.has_batch_dimension else (self.input_size,)

    def is_output_shape(self, shape: tuple[int, ...], batch_size: int) -> bool:
        """Return whether a response's shape is correct. If output_size is 1, the last dimension may be missing."""
        batch = (batch_size,) if self.has_batch_dimension else ()
        return shape == (*batch, self.output_size) or (self.output_size == 1 and shape == batch)


def read_model_tensors(metadata: ModelMetadataResponse, input_size: int, output_size: int) -> ModelTensors:
    """
    Read the model's input and output from its metadata.

    Args:
        metadata: The server's response.
        input_size: Features of one sample, used only if the model announces the size -1, "any number".
        output_size: Outputs of one sample, used only if the model announces the size -1, "any number".

    Returns:
        The model's input and output, in the announced sizes.

    Raises:
        OtherModelError: If the model has several inputs or outputs, or a datatype or shape that runoff cannot send.
        ServiceError: If the server announces no inputs or no outputs.
    """
    name = quote(metadata.name)
    found_input = _only("inputs", name, metadata.inputs)
    named = [tensor for tensor in metadata.outputs if tensor.name == OUTPUT_NAME]
    found_output = _only("outputs", name, named or metadata.outputs)
    for tensor in (found_input, found_output):
        if tensor.datatype != DATATYPE:
            raise OtherModelError(
                f"{name}: the datatype of {quote(tensor.name)} is {quote(tensor.datatype)}, expected {DATATYPE!r};"
                " other datatypes are not sent"
            )
    batch, features = _split_shape(name, found_input)
    # The output of a value network may have the shape [batch_size] instead of [batch_size, 1].
    is_flat = len(batch) == 1 and len(found_output.shape) == 1
    outputs_of_one = 1 if is_flat else _split_shape(name, found_output)[1]
    return ModelTensors(
        input_name=found_input.name,
        output_name=found_output.name,
        input_size=input_size if features == _ANY else features,
        output_size=output_size if outputs_of_one == _ANY else outputs_of_one,
        batch_size=1 if not batch else None if batch[0] == _ANY else batch[0],
        has_batch_dimension=bool(batch),
    )


def _only(role: str, name: str, tensors: Sequence[_Tensor]) -> _Tensor:
    """Return the only tensor in a sequence. Raise an error if the sequence has none or several."""
    if len(tensors) == 1:
        return tensors[0]
    if not tensors:
        raise ServiceError(
            f"{name}: the server announces no {role}, so their names and shapes are not known; add them to its"
            " configuration of the model"
        )
    found = quote([tensor.name for tensor in tensors], 200)
    raise OtherModelError(f"{name}: the model has {len(tensors)} {role}, {found}, expected one")


def _split_shape(name: str, tensor: _Tensor) -> tuple[Sequence[int], int]:
    """Return a tensor's batch dimension, as a list that is empty if there is none, and the size of one sample."""
    shape = list(tensor.shape)
    if 1 <= len(shape) <= 2 and all(size == _ANY or size >= 1 for size in shape):
        return shape[:-1], shape[-1]
    found, expected = quote(shape), "[batch size, features] or [features], -1 for any"
    raise OtherModelError(f"{name}: the shape of {quote(tensor.name)} is {found}, expected {expected}")
