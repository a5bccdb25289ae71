"""Opens gRPC channels, and translates the errors of failed gRPC calls into errors that users understand."""

import grpc

from runoff.errors import BackendUnavailable, OtherModelError, RunoffError, ServiceError, ShapeError, quote
from runoff.rpc.limits import MAX_MESSAGE_BYTES, message_options


def open_channel(address: str, credentials: grpc.ChannelCredentials | None = None) -> grpc.Channel:
    """Create a channel to `host:port`, with TLS if credentials are given. The first call opens the connection."""
    options = [
        *message_options(MAX_MESSAGE_BYTES),
        # By default, gRPC uses the proxy in the environment variable http_proxy even for local calls, which then fail.
        ("grpc.enable_http_proxy", 0),
        # By default, gRPC silently repeats a call that a stopping server did not process. The second attempt may reach
        # a different service, and a benchmark would record both attempts as one slow call.
        ("grpc.enable_retries", 0),
        # By default, all of a process's channels to one address share one connection, and all fail if it breaks.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if credentials is not None:
        return grpc.secure_channel(address, credentials, options=options)
    return grpc.insecure_channel(address, options=options)


def check_message_size(message: bytes, batch_size: int) -> bytes:
    """Return the request unchanged. If it exceeds MAX_MESSAGE_BYTES, raise ShapeError with a batch size that fits."""
    if len(message) > MAX_MESSAGE_BYTES:
        fitting = batch_size * MAX_MESSAGE_BYTES // len(message)
        raise ShapeError(
            f"a batch of {batch_size} samples makes a message of {len(message)} bytes, the limit is"
            f" {MAX_MESSAGE_BYTES}; about {fitting} samples fit into one call"
        )
    return message


def describe_failure(error: grpc.RpcError, address: str, timeout_s: float, service_name: str) -> RunoffError:
    """
    Convert a gRPC error into an error that explains to the user why the call failed.

    The call's deadline was `timeout_s`. The full name of the service, with its protobuf package, is `service_name`.
    """
    code, details = error.code(), error.details() or ""
    shown = quote(details, 300)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return BackendUnavailable(f"no response from {address} within {timeout_s:g} s")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return ServiceError(f"{address} speaks another protocol (a gRPC server without {service_name}): {shown}")
    if code is grpc.StatusCode.UNAVAILABLE:
        return _describe_unavailable(details.lower(), address, shown)
    if code is grpc.StatusCode.NOT_FOUND:
        return OtherModelError(f"{address} has no such model: {shown}")
    return ServiceError(f"{address} returned the status {code.name}: {shown}")


def _describe_unavailable(lowered: str, address: str, shown: str) -> RunoffError:
    """Return an error that gives the likely reason for the status UNAVAILABLE, judging by gRPC's error text."""
    if "handshake" in lowered or "peer name" in lowered or "alpn" in lowered:
        return ServiceError(f"no TLS connection to {address}: {shown}; set the trusted authorities with --grpc-tls-ca")
    if "http1" in lowered or "settings frame" in lowered:
        return ServiceError(f"{address} speaks another protocol (not gRPC): {shown}")
    if "failed to connect" in lowered and "socket closed" in lowered:
        return BackendUnavailable(
            f"{address} closes every connection: {shown}; it may require TLS, or another client certificate"
        )
    if "failed to connect" in lowered or "resolving" in lowered:
        return BackendUnavailable(f"no gRPC server at {address}: {shown}")
    # Either the service itself returned UNAVAILABLE, as runoff's does while it loads models, or the connection broke.
    return BackendUnavailable(f"the service at {address} is unavailable: {shown}")
