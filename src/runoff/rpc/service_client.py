"""What clients of services have in common, whatever protocol they speak."""

from typing import Self, TypeAlias

import grpc

from runoff.errors import RunoffError
from runoff.rpc.address import format_address, parse_address
from runoff.rpc.call_times import METADATA_KEY
from runoff.rpc.channel import explained, open_channel

# A class without parameters but for the type checker.
Method: TypeAlias = "grpc.UnaryUnaryMultiCallable[bytes, bytes]"


class ServiceClient:
    """
    One channel to one gRPC service; a context manager.

    Attributes:
        address: `host:port`.
        timeout_s: Deadline of every call.
        channel: For other services at that address.
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
        Prepare a channel; the first call connects.

        Args:
            service_name: The gRPC service, with its package.
            address: `host:port`.
            timeout_s: Deadline of every call.
            credentials: Whom to trust and what to show, for a service that speaks TLS.
            channel: One to that address to share, if there is one already.

        Raises:
            UsageError: If the address is none.
        """
        self.address = format_address(*parse_address(address))
        self.timeout_s = timeout_s
        self.channel = open_channel(self.address, credentials) if channel is None else channel
        self._service_name = service_name

    def close(self) -> None:
        """Close the channel; a second call does nothing."""
        self.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _method(self, name: str) -> Method:
        """Return a method of the service, from bytes to bytes."""
        return self.channel.unary_unary(f"/{self._service_name}/{name}", None, None)

    def _call(self, method: Method, message: bytes) -> bytes:
        """Return the reply; RunoffError as `_explained` if there is none."""
        try:
            return method(message, timeout=self.timeout_s)
        except grpc.RpcError as error:
            raise self._explained(error) from None

    def _call_with_metadata(self, method: Method, message: bytes) -> tuple[bytes, dict[str, str | bytes]]:
        """Return the reply and the metadata that comes behind it, which costs some 20 µs; errors as `_call`."""
        try:
            reply, call = method.with_call(message, timeout=self.timeout_s)
        except grpc.RpcError as error:
            raise self._explained(error) from None
        return reply, dict(call.trailing_metadata() or ())

    def _call_with_times(self, method: Method, message: bytes) -> tuple[bytes, str]:
        """Return the reply and what the service says about its times, empty if it says nothing; errors as `_call`."""
        reply, metadata = self._call_with_metadata(method, message)
        told = metadata.get(METADATA_KEY, "")
        return reply, told if isinstance(told, str) else ""

    def _explained(self, error: grpc.RpcError) -> RunoffError:
        """Return what a failed call means to a user."""
        return explained(error, self.address, self.timeout_s, self._service_name)
