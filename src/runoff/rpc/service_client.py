"""The base class of the gRPC clients of both protocols."""

from collections.abc import Callable
from typing import Self, TypeAlias, TypeVar, TypeVarTuple

import grpc

from runoff.errors import RunoffError, ServiceError
from runoff.rpc.address import format_address, parse_address
from runoff.rpc.call_times import CALL_TIMES_KEY
from runoff.rpc.channel import describe_failure, open_channel

# The type is in quotes because grpcio's type stubs declare the class as generic, but at run time it is not.
Method: TypeAlias = "grpc.UnaryUnaryMultiCallable[bytes, bytes]"
_Content = TypeVar("_Content")
_Arguments = TypeVarTuple("_Arguments")


class ServiceClient:
    """
    A client of one gRPC service. It is a context manager that closes its channel at the end.

    Attributes:
        address: `host:port`.
        timeout_s: Deadline of every call.
        channel: The gRPC channel, which other clients of the same address may share.
    """

    def __init__(
        self,
        service_name: str,
        address: str,
        timeout_s: float,
        credentials: grpc.ChannelCredentials | None = None,
        channel: grpc.Channel | None = None,
    ) -> None:
        """
        Open a channel, or use the given channel of another client. The first call opens the connection.

        The service's name includes its protobuf package. A service that uses TLS requires credentials.

        Raises:
            UsageError: If the address is malformed.
        """
        self.address = format_address(*parse_address(address))
        self.timeout_s = timeout_s
        self.channel = open_channel(self.address, credentials) if channel is None else channel
        self._service_name = service_name

    def close(self) -> None:
        """Close the channel. Calling this method twice is safe."""
        self.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _method(self, name: str) -> Method:
        """Return a function that sends request bytes to a method of the service, and returns the response's bytes."""
        return self.channel.unary_unary(f"/{self._service_name}/{name}", None, None)

    def _send(self, method: Method, request: bytes) -> bytes:
        """Send a request and return the response. If the call fails, raise the error that `_describe` returns."""
        try:
            return method(request, timeout=self.timeout_s)
        except grpc.RpcError as error:
            raise self._describe(error) from None

    def _send_for_metadata(self, method: Method, request: bytes) -> tuple[bytes, dict[str, str | bytes]]:
        """Send a request, and return the response and its trailing metadata. Takes about 20 µs more than `_send`."""
        try:
            response, call = method.with_call(request, timeout=self.timeout_s)
        except grpc.RpcError as error:
            raise self._describe(error) from None
        return response, dict(call.trailing_metadata() or ())

    def _send_for_times(self, method: Method, request: bytes) -> tuple[bytes, str]:
        """Send a request, and return the response and the service's times as text ("" if it reports no times)."""
        response, metadata = self._send_for_metadata(method, request)
        times = metadata.get(CALL_TIMES_KEY, "")
        return response, times if isinstance(times, str) else ""

    def _read(self, read: Callable[[*_Arguments], _Content], *arguments: *_Arguments) -> _Content:
        """Call `read`, which reads a response. If it raises ServiceError, put the address in front of the message."""
        try:
            return read(*arguments)
        except ServiceError as error:
            raise ServiceError(f"{self.address}: {error}") from None

    def _describe(self, error: grpc.RpcError) -> RunoffError:
        """Convert a gRPC error into an error that explains to the user why the call failed."""
        return describe_failure(error, self.address, self.timeout_s, self._service_name)
