"""The client of `neural.NeuralService`. It sets a deadline on every call and checks every response."""

import grpc

from runoff.errors import ShapeError
from runoff.models.mlp import Float32Array, Kind
from runoff.rpc.call_times import CallParts, profile_calls
from runoff.rpc.channel import check_message_size
from runoff.rpc.limits import MAX_BATCH_SIZE
from runoff.rpc.model_info import ModelInfo
from runoff.rpc.neural import request_codec, response_codec
from runoff.rpc.neural.model_info_codec import read_model_info
from runoff.rpc.neural.neural_pb2 import ModelInfoRequest
from runoff.rpc.neural.service_name import SERVICE_NAME
from runoff.rpc.outputs import check_outputs
from runoff.rpc.service_client import Method, ServiceClient


class NeuralClient(ServiceClient):
    """A client of one NeuralService. It is a context manager that closes its channel at the end."""

    def __init__(
        self,
        address: str,
        timeout_s: float = 10.0,
        credentials: grpc.ChannelCredentials | None = None,
        channel: grpc.Channel | None = None,
    ) -> None:
        """Open a channel. Takes the same arguments and raises the same errors as ServiceClient."""
        super().__init__(SERVICE_NAME, address, timeout_s, credentials, channel)
        self._predict = self._method("Predict")
        self._batch_predict = self._method("BatchPredict")
        self._model_info = self._method("GetModelInfo")

    def predict(
        self, batch: Float32Array, kind: Kind, model_name: str = "", output_size: int | None = None
    ) -> Float32Array:
        """
        Run one forward pass by calling the gRPC method Predict for one sample, or BatchPredict for several.

        Args:
            batch: Inputs, shape (batch_size, input_size), C-contiguous float32.
            kind: Policy or value.
            model_name: Name of a model of that kind. An empty name selects the service's first model.
            output_size: Outputs of one sample, as announced by the service. None if unknown.

        Returns:
            Outputs, shape (batch_size, output_size), float32.

        Raises:
            ShapeError: If the batch is larger than MAX_BATCH_SIZE or its message larger than MAX_MESSAGE_BYTES.
            BackendUnavailable: If no server listens or no response arrives within timeout_s.
            ServiceError: If the service refuses the request or its response breaks the contract.
        """
        method, request = self._encode(batch, kind, model_name)
        return self._read(_read_outputs, self._send(method, request), kind, len(batch), output_size)

    def profile(
        self, batch: Float32Array, kind: Kind, model_name: str, output_size: int, calls: int
    ) -> CallParts | None:
        """
        Make calls and measure how long each part of a call takes. See `profile_calls`.

        The arguments before `calls` and the errors are those of `predict`.
        """
        method = self._predict if len(batch) == 1 else self._batch_predict
        return profile_calls(
            lambda: self._encode(batch, kind, model_name)[1],
            lambda request: self._send_for_times(method, request),
            lambda response: self._read(_read_outputs, response, kind, len(batch), output_size),
            calls,
        )

    def model_info(self, kind: Kind, model_name: str = "") -> ModelInfo:
        """
        Request the service's description of a model.

        Raises:
            OtherModelError: If the service has no such model.
            BackendUnavailable: If no server listens or no response arrives within timeout_s.
            ServiceError: If the service refuses the request or its response breaks the contract.
        """
        request = ModelInfoRequest(model_type=str(kind), model_name=model_name)
        response = self._send(self._model_info, request.SerializeToString())
        return self._read(read_model_info, response)

    def _encode(self, batch: Float32Array, kind: Kind, model_name: str) -> tuple[Method, bytes]:
        """Return the gRPC method and the serialized request for a batch. Raise ShapeError if the batch is too large."""
        if len(batch) > MAX_BATCH_SIZE:
            raise ShapeError(f"the batch has {len(batch)} samples, the limit of one call is {MAX_BATCH_SIZE}")
        if len(batch) == 1:
            return self._predict, check_message_size(request_codec.encode_predict(batch, kind, model_name), 1)
        request = request_codec.encode_batch_predict(batch, kind, model_name)
        return self._batch_predict, check_message_size(request, len(batch))


def _read_outputs(response: bytes, kind: Kind, batch_size: int, output_size: int | None) -> Float32Array:
    """Return the outputs in a response. Raise ServiceError if their shape or their numbers are wrong."""
    decode = response_codec.decode_predict if batch_size == 1 else response_codec.decode_batch_predict
    outputs = decode(response, kind)
    check_outputs(outputs, kind, batch_size, output_size)
    return outputs
