"""Validates ModelInfer requests. Each error message contains the invalid value and the expected one."""

from typing import NoReturn

import grpc

from runoff.errors import quote
from runoff.models.mlp import Float32Array
from runoff.rpc import wire
from runoff.rpc.oip.codec import InferMessage
from runoff.rpc.oip.headers import Header, Tensor
from runoff.rpc.oip.names import DATATYPE, INPUT_NAME, OUTPUT_NAME
from runoff.service.hosted_models import Refusal

_FP32 = "fp32_contents"


def check_header(header: Header, input_size: int) -> int:
    """Return a request's batch size. Raise Refusal if a tensor's name, datatype, shape or parameters are invalid."""
    if len(header.tensors) != 1 or header.tensors[0].name != INPUT_NAME:
        _refuse(f"the inputs are {_names(header.tensors)}, expected one named {INPUT_NAME!r}")
    if len(header.requested) > 1 or any(output.name != OUTPUT_NAME for output in header.requested):
        _refuse(f"the outputs asked for are {_names(header.requested)}, expected {OUTPUT_NAME!r} once or none")
    # `classification` changes the form of outputs, `shared_memory_…` their place. Others are optional hints.
    for tensor in (*header.tensors, *header.requested):
        for name in tensor.parameters:
            if name == "classification" or name.startswith("shared_memory_"):
                found = f"{tensor.name!r} has the parameter {quote(name)}"
                _refuse(f"{found}, which this service does not support; remove it")
    [tensor] = header.tensors
    if tensor.datatype != DATATYPE:
        _refuse(f"the datatype of {INPUT_NAME!r} is {quote(tensor.datatype)}, expected {DATATYPE!r}")
    if len(tensor.shape) != 2 or tensor.shape[1] != input_size or tensor.shape[0] < 1:
        found = quote(list(tensor.shape))
        _refuse(f"the shape of {INPUT_NAME!r} is {found}, expected [batch size of at least 1, {input_size}]")
    return tensor.shape[0]


def extract_batch(request: InferMessage, shape: tuple[int, int]) -> Float32Array:
    """
    Return the input tensor as a new C-contiguous array. Raise Refusal if its contents do not match the header.

    Args:
        request: A request that has passed `check_header`.
        shape: (batch_size, input_size) according to the header.
    """
    count = shape[0] * shape[1]
    typed = request.header.tensors[0].typed
    if request.raw:
        if typed:
            _refuse(f"{INPUT_NAME!r} has {typed[0]} beside raw_input_contents, expected one of them")
        if len(request.raw) != 1:
            _refuse(f"raw_input_contents has {len(request.raw)} entries, expected 1, one for each input")
        if request.raw[0].nbytes != 4 * count:
            _refuse(
                f"raw_input_contents has {request.raw[0].nbytes} bytes, expected {4 * count} for {DATATYPE} of shape"
                f" {list(shape)}"
            )
        return wire.floats(request.raw[0]).reshape(shape)
    wrong = [name for name in typed if name != _FP32]
    if wrong:
        _refuse(f"{INPUT_NAME!r} has {wrong[0]}, expected {_FP32} for {DATATYPE}")
    if len(request.fp32) != count:
        _refuse(f"{_FP32} has {len(request.fp32)} numbers, expected {count} for shape {list(shape)}")
    return request.fp32.reshape(shape)


def _names(tensors: tuple[Tensor, ...]) -> str:
    return quote([tensor.name for tensor in tensors], 200)


def _refuse(message: str) -> NoReturn:
    raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, message)
