"""Opens gRPC channels to services of any protocol, and translates failed calls into errors for users."""

import grpc

from runoff.errors import BackendUnavailable, OtherModelError, RunoffError, ServiceError, ShapeError, quote
from runoff.rpc.limits import MAX_MESSAGE_BYTES, message_options


def open_channel(address: str, credentials: grpc.ChannelCredentials | None = None) -> grpc.Channel:
    """Prepare a channel to `host:port`, over TLS if credentials are given; the first call connects."""
    options = [
        *message_options(MAX_MESSAGE_BYTES),
        # By default, gRPC sends even loopback calls through http_proxy.
        ("grpc.enable_http_proxy", 0),
        # By default, gRPC silently repeats a call that a stopping server has not processed. The second attempt may
        # reach another service, and in timed code both attempts would count as one slow call.
        ("grpc.enable_retries", 0),
        # By default, the channels of one process share a connection, and all of them fail with it.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if credentials is not None:
        return grpc.secure_channel(address, credentials, options=options)
    return grpc.insecure_channel(address, options=options)


def check_message_size(message: bytes, batch_size: int) -> bytes:
    """Return a request unchanged; ShapeError if it is over MAX_MESSAGE_BYTES, with the batch size that would fit."""
    if len(message) > MAX_MESSAGE_BYTES:
        fitting = batch_size * MAX_MESSAGE_BYTES // len(message)
        raise ShapeError(
            f"a batch of {batch_size} samples makes a message of {len(message)} bytes, the limit is"
            f" {MAX_MESSAGE_BYTES}; about {fitting} samples fit into one call"
        )
    return message


def describe_failure(error: grpc.RpcError, address: str, timeout_s: float, service_name: str) -> RunoffError:
    """
    Return the error that explains to a user why a gRPC call with a deadline of `timeout_s` failed.

    The service's name includes its protobuf package; the error contains it if the server has no such service.
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
    """Return the likely reason why a service is unavailable, judged by gRPC's details in lower case."""
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
    # Either the service itself returned UNAVAILABLE, as ours does while it loads its models, or the connection broke.
    return BackendUnavailable(f"the service at {address} is unavailable: {shown}")
