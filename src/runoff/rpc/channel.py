"""Channels to services, whatever protocol they carry, and what a failed call means."""

import grpc

from runoff.errors import BackendUnavailable, OtherModelError, RunoffError, ServiceError, ShapeError, quote
from runoff.rpc.limits import MAX_MESSAGE_BYTES, message_options


def open_channel(address: str, credentials: grpc.ChannelCredentials | None = None) -> grpc.Channel:
    """Prepare a channel to `host:port`, over TLS if credentials are given; the first call connects."""
    options = [
        *message_options(MAX_MESSAGE_BYTES),
        # gRPC would send even loopback calls through http_proxy.
        ("grpc.enable_http_proxy", 0),
        # What a server on its way out has not looked at, gRPC sends again by itself: to another service, perhaps, and
        # inside timed code, where both attempts would be counted as one slow call.
        ("grpc.enable_retries", 0),
        # Otherwise channels of one process share connections, and one's fate is the other's.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if credentials is not None:
        return grpc.secure_channel(address, credentials, options=options)
    return grpc.insecure_channel(address, options=options)


def within_limit(message: bytes, batch_size: int) -> bytes:
    """Return a request; ShapeError if it is larger than any service of ours takes, with the batch that would fit."""
    if len(message) > MAX_MESSAGE_BYTES:
        fitting = batch_size * MAX_MESSAGE_BYTES // len(message)
        raise ShapeError(
            f"a batch of {batch_size} samples makes a message of {len(message)} bytes, the limit is"
            f" {MAX_MESSAGE_BYTES}; about {fitting} samples fit into one call"
        )
    return message


def explained(error: grpc.RpcError, address: str, timeout_s: float, service_name: str) -> RunoffError:
    """
    Return what a failed call means to a user.

    Args:
        error: What the call raised.
        address: Where it went.
        timeout_s: The deadline that it had.
        service_name: The gRPC service that it was for.
    """
    code, details = error.code(), error.details() or ""
    shown = quote(details, 300)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return BackendUnavailable(f"no answer from {address} within {timeout_s:g} s")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return ServiceError(f"{address} speaks another protocol (a gRPC server without {service_name}): {shown}")
    if code is grpc.StatusCode.UNAVAILABLE:
        return _unreachable(details.lower(), address, shown)
    if code is grpc.StatusCode.NOT_FOUND:
        return OtherModelError(f"{address} has no such model: {shown}")
    return ServiceError(f"{address} answers {code.name}: {shown}")


def _unreachable(lowered: str, address: str, shown: str) -> RunoffError:
    """Return why a service cannot be reached or used, as far as gRPC's words and its own tell."""
    if "handshake" in lowered or "peer name" in lowered or "alpn" in lowered:
        return ServiceError(f"no TLS connection to {address}: {shown}; --grpc-tls-ca says who is trusted")
    if "http1" in lowered or "settings frame" in lowered:
        return ServiceError(f"{address} speaks another protocol (not gRPC): {shown}")
    if "failed to connect" in lowered and "socket closed" in lowered:
        return BackendUnavailable(
            f"{address} closes every connection: {shown}; it may want TLS, or another certificate"
        )
    if "failed to connect" in lowered or "resolving" in lowered:
        return BackendUnavailable(f"no gRPC server at {address}: {shown}")
    # It says so itself (ours does while it loads its models), or the connection to it broke.
    return BackendUnavailable(f"the service at {address} is unavailable: {shown}")
