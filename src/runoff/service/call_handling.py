"""Code shared by the request handlers of both protocols: decoding requests and rejecting calls."""

import logging
import secrets
from collections.abc import Callable, Mapping
from typing import TypeVar

import grpc
import numpy as np
from google.protobuf.message import DecodeError, Message

from runoff.models.mlp import Float32Array
from runoff.rpc.limits import UnusualLayoutError, check_parsed_size
from runoff.service.hosted_models import Refusal, refuse_abandoned

Handler = Callable[[bytes, grpc.ServicerContext], bytes]
_Decoded = TypeVar("_Decoded")
_Message = TypeVar("_Message", bound=Message)
_logger = logging.getLogger(__name__)


def create_handlers(service_name: str, methods: Mapping[str, Handler]) -> "grpc.GenericRpcHandler[bytes, bytes]":
    """Make a service's gRPC handlers from its methods by name. Methods receive and return serialized messages."""
    return grpc.method_handlers_generic_handler(
        service_name,
        {name: grpc.unary_unary_rpc_method_handler(_with_error_statuses(method)) for name, method in methods.items()},
    )


def decode_request(name: str, decode: Callable[[bytes], _Decoded], message: bytes) -> _Decoded:
    """Decode a request of the message type `name`. Raise Refusal if the bytes are not a valid message of this type."""
    try:
        return decode(message)
    except DecodeError:
        raise Refusal(grpc.StatusCode.INTERNAL, f"the request's {len(message)} bytes are not a valid {name}") from None
    except UnusualLayoutError as error:
        raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error)) from None


def parse_request(message_type: type[_Message], message: bytes) -> _Message:
    """Parse a request with protobuf. Raise Refusal if the bytes are not a valid message of this type."""

    def parse(message: bytes) -> _Message:
        check_parsed_size(len(message))
        return message_type.FromString(message)

    return decode_request(message_type.DESCRIPTOR.full_name, parse, message)


def check_finite(batch: Float32Array) -> None:
    """Raise Refusal if a number in the batch is infinite or NaN."""
    finite = np.isfinite(batch)
    if not finite.all():
        sample, feature = np.unravel_index(int(finite.argmin()), finite.shape)
        message = f"feature {feature} of sample {sample} is {batch[sample, feature]}, expected a finite number"
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, message)


def _with_error_statuses(method: Handler) -> Handler:
    """Wrap a handler so that an exception aborts the call: a Refusal with its own status, any other with INTERNAL."""

    def handle(message: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            refuse_abandoned(context)
            return method(message, context)
        except Refusal as refusal:
            context.abort(refusal.status, str(refusal))
        except Exception:
            # The exception's text may contain paths or data, so write it to the log and send the client only an id.
            log_id = secrets.token_hex(4)
            _logger.exception("log id %s: a call failed", log_id)
            context.abort(grpc.StatusCode.INTERNAL, f"internal error; search the service's log for id {log_id}")

    return handle
