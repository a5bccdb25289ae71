"""The client of the Open Inference Protocol: a deadline on every call, every reply checked."""

from collections.abc import Callable
from typing import TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from runoff.errors import OtherModelError, RunoffError, ServiceError, quote
from runoff.models.mlp import Float32Array, Kind
from runoff.rpc.call_times import CallParts, take_apart
from runoff.rpc.channel import within_limit
from runoff.rpc.model_info import METADATA_KEY, ModelInfo, read_model_info
from runoff.rpc.oip import codec
from runoff.rpc.oip.contract import SERVICE_NAME
from runoff.rpc.oip.inference_pb2 import (
    ModelMetadataRequest,
    ModelMetadataResponse,
    ServerMetadataRequest,
    ServerMetadataResponse,
)
from runoff.rpc.oip.replies import read_outputs
from runoff.rpc.oip.signature import Signature
from runoff.rpc.service_client import ServiceClient

_Reply = TypeVar("_Reply", bound=Message)


class OipClient(ServiceClient):
    """
    One channel to one model of one server; a context manager.

    Attributes:
        model_name: The model.
        model_version: Its version; empty leaves it to the server.
    """

    def __init__(
        self,
        address: str,
        model_name: str,
        model_version: str = "",
        timeout_s: float = 10.0,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """
        Prepare a channel; the first call connects.

        Args:
            address: `host:port`.
            model_name: The model.
            model_version: Its version; empty leaves it to the server.
            timeout_s: Deadline of every call.
            credentials: Whom to trust and what to show, for a server that speaks TLS.

        Raises:
            UsageError: If the address is none.
        """
        super().__init__(SERVICE_NAME, address, timeout_s, credentials)
        self.model_name = model_name
        self.model_version = model_version
        self._infer = self._method("ModelInfer")

    def server_metadata(self) -> ServerMetadataResponse:
        """Ask the server for its name, version and extensions; errors as `predict`."""
        return self._ask("ServerMetadata", ServerMetadataRequest(), ServerMetadataResponse.FromString)[0]

    def model_metadata(self) -> ModelMetadataResponse:
        """Ask for the model's inputs and outputs; errors as `model_identity`."""
        return self.model_identity()[0]

    def model_identity(self) -> tuple[ModelMetadataResponse, ModelInfo | None]:
        """
        Ask for everything that the server tells about the model.

        Returns:
            Its inputs and outputs, and what a service of ours tells beside them; None from any other server.

        Raises:
            OtherModelError: If there is no such model.
            RunoffError: Others as `predict`.
        """
        request = ModelMetadataRequest(name=self.model_name, version=self.model_version)
        reply, trailing = self._ask("ModelMetadata", request, ModelMetadataResponse.FromString)
        told = trailing.get(METADATA_KEY)
        return reply, read_model_info(told, self.address) if isinstance(told, bytes) else None

    def predict(self, batch: Float32Array, signature: Signature, kind: Kind | None) -> Float32Array:
        """
        Run one forward pass.

        Args:
            batch: Inputs, shape (batch_size, input_size), C-contiguous float32.
            signature: What the model takes and gives.
            kind: Policy if its outputs must be probabilities; None if nothing but numbers is expected of them.

        Returns:
            Outputs, shape (batch_size, output_size), float32.

        Raises:
            ShapeError: If the model takes no batch of that size, or the message is over the limit.
            BackendUnavailable: If nobody listens or no reply arrives within timeout_s.
            ServiceError: If the server refuses or its reply breaks the protocol.
        """
        reply = self._call(self._infer, self._encode(batch, signature))
        return self._decode(reply, signature, len(batch), kind)

    def profile(self, batch: Float32Array, signature: Signature, kind: Kind | None, calls: int) -> CallParts | None:
        """
        Find out where the time of `predict` goes, outside of anything timed.

        Args:
            batch: As `predict`.
            signature: As `predict`.
            kind: As `predict`.
            calls: How many to make, after a few to warm up.

        Returns:
            The parts of a call; None if the server does not tell its own.

        Raises:
            RunoffError: As `predict`.
        """
        return take_apart(
            lambda: self._encode(batch, signature),
            lambda message: self._call_with_times(self._infer, message),
            lambda reply: self._decode(reply, signature, len(batch), kind),
            calls,
        )

    def _encode(self, batch: Float32Array, signature: Signature) -> bytes:
        shape = signature.input_shape(len(batch))
        names = signature.input_name, signature.output_name
        message = codec.encode_request(self.model_name, self.model_version, *names, shape, batch)
        return within_limit(message, len(batch))

    def _decode(self, reply: bytes, signature: Signature, batch_size: int, kind: Kind | None) -> Float32Array:
        try:
            return read_outputs(reply, self.model_name, signature, batch_size, kind)
        except ServiceError as error:
            raise ServiceError(f"{self.address}: {error}") from None

    def _ask(
        self, method: str, request: Message, read: Callable[[bytes], _Reply]
    ) -> tuple[_Reply, dict[str, str | bytes]]:
        """Return a reply and the metadata behind it."""
        reply, trailing = self._call_with_metadata(self._method(method), request.SerializeToString())
        try:
            return read(reply), trailing
        except DecodeError as error:
            raise ServiceError(f"{self.address}: the reply is no inference.{method}Response: {error}") from None

    def _explained(self, error: grpc.RpcError) -> RunoffError:
        # Triton answers UNAVAILABLE, which elsewhere means that nobody is there, for a model that failed to load.
        details = error.details() or ""
        if error.code() is grpc.StatusCode.UNAVAILABLE and f"'{self.model_name}'" in details:
            return OtherModelError(f"{self.address} does not serve {self.model_name}: {quote(details, 300)}")
        return super()._explained(error)
