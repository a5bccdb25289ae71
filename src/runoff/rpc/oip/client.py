"""The client of the Open Inference Protocol. It sets a deadline on every call and checks every response."""

from typing import TypeVar

import grpc
from google.protobuf.message import Message

from runoff.errors import OtherModelError, RunoffError, quote
from runoff.models.mlp import Float32Array, Kind
from runoff.rpc.call_times import CallParts, profile_calls
from runoff.rpc.channel import check_message_size
from runoff.rpc.descriptors import parse_response
from runoff.rpc.model_info import MODEL_INFO_KEY, ModelInfo
from runoff.rpc.neural.model_info_codec import read_model_info
from runoff.rpc.oip import codec
from runoff.rpc.oip.inference_pb2 import (
    ModelMetadataRequest,
    ModelMetadataResponse,
    ServerMetadataRequest,
    ServerMetadataResponse,
)
from runoff.rpc.oip.model_tensors import ModelTensors
from runoff.rpc.oip.names import SERVICE_NAME
from runoff.rpc.oip.responses import read_outputs
from runoff.rpc.service_client import ServiceClient

_Response = TypeVar("_Response", bound=Message)


class OipClient(ServiceClient):
    """
    A client of one model on one server. It is a context manager that closes its channel at the end.

    Attributes:
        model_name: Name of the model.
        model_version: Version of the model. If it is empty, the server chooses a version.
    """

    def __init__(
        self,
        address: str,
        model_name: str,
        model_version: str = "",
        timeout_s: float = 10.0,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """Open a channel. Takes the same arguments and raises the same errors as ServiceClient."""
        super().__init__(SERVICE_NAME, address, timeout_s, credentials)
        self.model_name = model_name
        self.model_version = model_version
        self._infer = self._method("ModelInfer")

    def server_metadata(self) -> ServerMetadataResponse:
        """Request the server's name, version and extensions. Errors are those of `predict`."""
        return self._request("ServerMetadata", ServerMetadataRequest(), ServerMetadataResponse)[0]

    def model_identity(self) -> tuple[ModelMetadataResponse, ModelInfo | None]:
        """
        Request the metadata that identify the model.

        Returns:
            The protocol's description of inputs and outputs, and the ModelInfo, which only runoff's own service sends.
            The ModelInfo of any other server is None.

        Raises:
            OtherModelError: If the server has no such model.
            RunoffError: For the same reasons as in `predict`.
        """
        request = ModelMetadataRequest(name=self.model_name, version=self.model_version)
        response, metadata = self._request("ModelMetadata", request, ModelMetadataResponse)
        info = metadata.get(MODEL_INFO_KEY)
        return response, self._read(read_model_info, info) if isinstance(info, bytes) else None

    def predict(self, batch: Float32Array, tensors: ModelTensors, kind: Kind | None) -> Float32Array:
        """
        Run one forward pass.

        Args:
            batch: Inputs, shape (batch_size, input_size), C-contiguous float32.
            tensors: The model's input and output.
            kind: Policy if the outputs must be probabilities. Value or None if they only have to be finite.

        Returns:
            Outputs, shape (batch_size, output_size), float32.

        Raises:
            ShapeError: If the model does not accept the batch size, or the message exceeds MAX_MESSAGE_BYTES.
            BackendUnavailable: If no server listens or no response arrives within timeout_s.
            ServiceError: If the server refuses the request or its response breaks the protocol.
        """
        response = self._send(self._infer, self._encode(batch, tensors))
        return self._read(read_outputs, response, self.model_name, tensors, len(batch), kind)

    def profile(self, batch: Float32Array, tensors: ModelTensors, kind: Kind | None, calls: int) -> CallParts | None:
        """
        Make calls and measure how long each part of a call takes. See `profile_calls`.

        The arguments before `calls` and the errors are those of `predict`.
        """
        return profile_calls(
            lambda: self._encode(batch, tensors),
            lambda request: self._send_for_times(self._infer, request),
            lambda response: self._read(read_outputs, response, self.model_name, tensors, len(batch), kind),
            calls,
        )

    def _encode(self, batch: Float32Array, tensors: ModelTensors) -> bytes:
        """Return the serialized request for a batch. Raise ShapeError if the batch size is not allowed."""
        shape = tensors.input_shape(len(batch))
        names = tensors.input_name, tensors.output_name
        request = codec.encode_request(self.model_name, self.model_version, *names, shape, batch)
        return check_message_size(request, len(batch))

    def _request(
        self, method: str, request: Message, response_type: type[_Response]
    ) -> tuple[_Response, dict[str, str | bytes]]:
        """Call a method of the service, and return the parsed response and its trailing metadata."""
        response, metadata = self._send_for_metadata(self._method(method), request.SerializeToString())
        return self._read(parse_response, response_type, response), metadata

    def _describe(self, error: grpc.RpcError) -> RunoffError:
        # If a model failed to load, Triton also returns UNAVAILABLE, with the model's name in quotes in the message.
        details = error.details() or ""
        if error.code() is grpc.StatusCode.UNAVAILABLE and f"'{self.model_name}'" in details:
            return OtherModelError(f"{self.address} does not serve {self.model_name}: {quote(details, 300)}")
        return super()._describe(error)
