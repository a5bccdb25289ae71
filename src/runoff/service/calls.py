"""What every call of a service has in common, whatever its protocol: refusals, decoding, checks of numbers."""

import logging
import secrets
from collections.abc import Callable, Mapping
from typing import NoReturn, TypeVar

import grpc
import numpy as np
from google.protobuf.message import DecodeError, Message

from runoff.models.mlp import Float32Array
from runoff.rpc.limits import UnusualLayoutError, check_parsed_size
from runoff.service.hosting import HostedModels, Refusal, refuse_abandoned

Handler = Callable[[bytes, grpc.ServicerContext], bytes]
_Decoded = TypeVar("_Decoded")
_Message = TypeVar("_Message", bound=Message)
_logger = logging.getLogger(__name__)


def handlers(service_name: str, methods: Mapping[str, Handler]) -> "grpc.GenericRpcHandler[bytes, bytes]":
    """Return gRPC's handlers; requests and replies stay bytes, so the codec alone decides what parsing costs."""
    return grpc.method_handlers_generic_handler(
        service_name,
        {name: grpc.unary_unary_rpc_method_handler(_refusing(method)) for name, method in methods.items()},
    )


def decoded(name: str, decode: Callable[[bytes], _Decoded], message: bytes) -> _Decoded:
    """Return a request read from its bytes; Refusal if they are none of that name."""
    try:
        return decode(message)
    except DecodeError:
        raise Refusal(grpc.StatusCode.INTERNAL, f"the request's {len(message)} bytes are no {name}") from None
    except UnusualLayoutError as error:
        raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error)) from None


def parsed(message_type: type[_Message], message: bytes) -> _Message:
    """Return a request read from its bytes by protobuf; Refusal if they are none."""

    def parse(message: bytes) -> _Message:
        check_parsed_size(len(message))
        return message_type.FromString(message)

    return decoded(message_type.DESCRIPTOR.full_name, parse, message)


def loaded(models: HostedModels | None) -> HostedModels:
    """Return the models of a service; Refusal while they are still being loaded."""
    if models is None:
        raise Refusal(grpc.StatusCode.UNAVAILABLE, "the service is still loading its models")
    return models


def check_batch_size(batch_size: int, max_batch_size: int) -> None:
    """Raise Refusal if a batch is over the limit."""
    if batch_size > max_batch_size:
        raise Refusal(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"the batch has {batch_size} samples, the limit is {max_batch_size}",
        )


def check_reply_size(batch_size: int, reply_bytes: int, max_message_bytes: int) -> None:
    """Raise Refusal if the reply would be over the message limit; asked before anything is computed."""
    if reply_bytes > max_message_bytes:
        raise Refusal(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"the reply to {batch_size} samples would have {reply_bytes} bytes, the limit is {max_message_bytes}",
        )


def check_finite(batch: Float32Array) -> None:
    """Raise Refusal unless every feature is finite."""
    finite = np.isfinite(batch)
    if not finite.all():
        sample, feature = np.unravel_index(int(finite.argmin()), finite.shape)
        raise Refusal(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"feature {feature} of sample {sample} is {batch[sample, feature]}, expected a finite number",
        )


def _refusing(method: Handler) -> Handler:
    """Wrap a handler so that a refusal becomes its status and anything else INTERNAL with a log id."""

    def handle(message: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            refuse_abandoned(context)
            return method(message, context)
        except Refusal as refusal:
            _abort(context, refusal.status, str(refusal))
        except Exception:
            # The text may hold anything, paths and data included: it stays in the log.
            log_id = secrets.token_hex(4)
            _logger.exception("log id %s: a call failed", log_id)
            _abort(context, grpc.StatusCode.INTERNAL, f"internal error; the service's log has it under id {log_id}")

    return handle


def _abort(context: grpc.ServicerContext, status: grpc.StatusCode, message: str) -> NoReturn:
    context.abort(status, message)
    raise AssertionError("abort returned")
