"""The client of `neural.NeuralService`, which sets a deadline on every call and checks every response."""

import grpc

from runoff.errors import ShapeError
from runoff.models.mlp import Float32Array, Kind
from runoff.rpc.call_times import CallParts, profile_calls
from runoff.rpc.channel import check_message_size
from runoff.rpc.limits import MAX_BATCH_SIZE
from runoff.rpc.model_info import ModelInfo
from runoff.rpc.neural import request_codec, response_codec
from runoff.rpc.neural.contract import SERVICE_NAME
from runoff.rpc.neural.model_info_codec import read_model_info
from runoff.rpc.neural.neural_pb2 import ModelInfoRequest
from runoff.rpc.outputs import check_outputs
from runoff.rpc.service_client import Method, ServiceClient


class NeuralClient(ServiceClient):
    """A client of one service; a context manager."""

    def __init__(
        self,
        address: str,
        timeout_s: float = 10.0,
        credentials: grpc.ChannelCredentials | None = None,
        channel: grpc.Channel | None = None,
    ) -> None:
        """Prepare a channel; the first call connects. For arguments and errors see ServiceClient."""
        super().__init__(SERVICE_NAME, address, timeout_s, credentials, channel)
        self._predict = self._method("Predict")
        self._batch_predict = self._method("BatchPredict")
        self._model_info = self._method("GetModelInfo")

    def predict(
        self, batch: Float32Array, kind: Kind, model_name: str = "", output_size: int | None = None
    ) -> Float32Array:
        """
        Run one forward pass: call Predict for one sample, BatchPredict for more.

        Args:
            batch: Inputs, shape (batch_size, input_size), C-contiguous float32.
            kind: Policy or value.
            model_name: Name of a model of that kind; empty for the service's first.
            output_size: Outputs of one sample that the service announced; None if unknown.

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
        Make a number of calls and measure their parts; see `profile_calls`.

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
        """Return the method and the request for a batch; ShapeError if the batch is too large."""
        if len(batch) > MAX_BATCH_SIZE:
            raise ShapeError(f"the batch has {len(batch)} samples, the limit of one call is {MAX_BATCH_SIZE}")
        if len(batch) == 1:
            return self._predict, check_message_size(request_codec.encode_predict(batch, kind, model_name), 1)
        request = request_codec.encode_batch_predict(batch, kind, model_name)
        return self._batch_predict, check_message_size(request, len(batch))


def _read_outputs(response: bytes, kind: Kind, batch_size: int, output_size: int | None) -> Float32Array:
    """Return a response's outputs; ServiceError if they break the contract."""
    decode = response_codec.decode_predict if batch_size == 1 else response_codec.decode_batch_predict
    outputs = decode(response, kind)
    check_outputs(outputs, kind, batch_size, output_size)
    return outputs
