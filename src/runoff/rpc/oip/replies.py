"""ModelInfer replies held against the request and the model."""

from typing import NoReturn

from google.protobuf.message import DecodeError

from runoff.errors import ServiceError, quote
from runoff.models.mlp import Float32Array, Kind
from runoff.rpc.neural import reply_codec
from runoff.rpc.oip import codec
from runoff.rpc.oip.codec import Infer
from runoff.rpc.oip.contract import DATATYPE
from runoff.rpc.oip.signature import Signature


def read_outputs(
    message: bytes, model_name: str, signature: Signature, batch_size: int, kind: Kind | None
) -> Float32Array:
    """
    Read a reply, raw or typed.

    Args:
        message: A serialized ModelInferResponse.
        model_name: The model that was asked.
        signature: What it gives.
        batch_size: Samples of the request.
        kind: Policy if the outputs must be probabilities; None if nothing but numbers is expected of them.

    Returns:
        Outputs, shape (batch_size, output_size), the caller's own.

    Raises:
        ServiceError: If it is no such reply.
    """
    try:
        reply = codec.decode_reply(message)
    except DecodeError as error:
        raise ServiceError(f"the reply is no inference.ModelInferResponse: {error}") from None
    header = reply.header
    if header.model_name not in ("", model_name):
        _refuse(f"comes from the model {quote(header.model_name)}, expected {quote(model_name)}")
    if [signature.output_name] != [tensor.name for tensor in header.tensors]:
        found = quote([tensor.name for tensor in header.tensors], 200)
        _refuse(f"has the outputs {found}, expected one named {quote(signature.output_name)}")
    [tensor] = header.tensors
    if tensor.datatype != DATATYPE:
        _refuse(f"has the datatype {quote(tensor.datatype)}, expected {DATATYPE!r}")
    if not signature.is_output_shape(tensor.shape, batch_size):
        wanted = [batch_size, signature.output_size] if signature.has_batch_dimension else [signature.output_size]
        _refuse(f"has the shape {quote(list(tensor.shape))}, expected {wanted}")
    numbers = _numbers(reply, batch_size * signature.output_size)
    outputs = numbers.reshape(batch_size, signature.output_size)
    # Without a kind, finite numbers are all that can be asked for: what a value's are held against.
    reply_codec.check(outputs, kind or Kind.VALUE, batch_size, signature.output_size)
    return outputs


def _numbers(reply: Infer, count: int) -> Float32Array:
    """Return the only output's numbers, shape (count,)."""
    typed = reply.header.tensors[0].typed
    if bool(reply.raw) == bool(typed):
        _refuse(f"has {'both' if typed else 'neither'} of raw_output_contents and typed contents, expected one")
    if reply.raw:
        sizes = [entry.nbytes for entry in reply.raw]
        if sizes != [4 * count]:
            _refuse(f"has raw_output_contents of {quote(sizes)} bytes, expected one of {4 * count}")
        return codec.floats(reply.raw[0])
    if typed != ("fp32_contents",) or len(reply.fp32) != count:
        _refuse(f"has {len(reply.fp32)} numbers in {quote(list(typed))}, expected {count} in ['fp32_contents']")
    return reply.fp32


def _refuse(what: str) -> NoReturn:
    raise ServiceError(f"the reply {what}")
