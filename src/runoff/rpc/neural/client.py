"""The client of `neural.NeuralService`: a deadline on every call, every reply checked."""

import grpc

from runoff.errors import ServiceError, ShapeError
from runoff.models.mlp import Float32Array, Kind
from runoff.rpc.call_times import CallParts, take_apart
from runoff.rpc.channel import within_limit
from runoff.rpc.limits import MAX_BATCH_SIZE
from runoff.rpc.model_info import ModelInfo, read_model_info
from runoff.rpc.neural import reply_codec, request_codec
from runoff.rpc.neural.contract import SERVICE_NAME
from runoff.rpc.neural.neural_pb2 import ModelInfoRequest
from runoff.rpc.service_client import Method, ServiceClient


class NeuralClient(ServiceClient):
    """One channel to one service; a context manager."""

    def __init__(
        self,
        address: str,
        timeout_s: float = 10.0,
        credentials: grpc.ChannelCredentials | None = None,
        channel: grpc.Channel | None = None,
    ) -> None:
        """Prepare a channel; the first call connects. Arguments and errors are as ServiceClient's."""
        super().__init__(SERVICE_NAME, address, timeout_s, credentials, channel)
        self._predict = self._method("Predict")
        self._batch_predict = self._method("BatchPredict")
        self._model_info = self._method("GetModelInfo")

    def predict(
        self, batch: Float32Array, kind: Kind, model_name: str = "", output_size: int | None = None
    ) -> Float32Array:
        """
        Run one forward pass: Predict for one sample, BatchPredict for more.

        Args:
            batch: Inputs, shape (batch_size, input_size), C-contiguous float32.
            kind: Policy or value.
            model_name: Which model of that kind; empty for the service's first.
            output_size: Numbers of one sample that the service announced, if known.

        Returns:
            Outputs, shape (batch_size, output_size), float32.

        Raises:
            ShapeError: If the batch or its message is larger than any service of ours takes.
            BackendUnavailable: If nobody listens or no reply arrives within timeout_s.
            ServiceError: If the service refuses or its reply breaks the contract.
        """
        method, message = self._encode(batch, kind, model_name)
        return self._decode(self._call(method, message), kind, len(batch), output_size)

    def profile(
        self, batch: Float32Array, kind: Kind, model_name: str, output_size: int, calls: int
    ) -> CallParts | None:
        """
        Find out where the time of `predict` goes; apart from anything timed, for reading metadata costs some 20 µs.

        Args:
            batch: As `predict`.
            kind: As `predict`.
            model_name: As `predict`.
            output_size: As `predict`.
            calls: How many to make, after a few to warm up.

        Returns:
            The parts of a call; None if the service does not tell its own.

        Raises:
            RunoffError: As `predict`.
        """

        def call(message: bytes) -> tuple[bytes, str]:
            method = self._predict if len(batch) == 1 else self._batch_predict
            return self._call_with_times(method, message)

        return take_apart(
            lambda: self._encode(batch, kind, model_name)[1],
            call,
            lambda reply: self._decode(reply, kind, len(batch), output_size),
            calls,
        )

    def model_info(self, kind: Kind, model_name: str = "") -> ModelInfo:
        """
        Ask what a service says about a model.

        Raises:
            OtherModelError: If the service has no such model.
            BackendUnavailable: If nobody listens or no reply arrives within timeout_s.
            ServiceError: If the service refuses or its reply breaks the contract.
        """
        request = ModelInfoRequest(model_type=str(kind), model_name=model_name)
        reply = self._call(self._model_info, request.SerializeToString())
        return read_model_info(reply, self.address)

    def _encode(self, batch: Float32Array, kind: Kind, model_name: str) -> tuple[Method, bytes]:
        """Return the method and the message for a batch; ShapeError if it is too large."""
        if len(batch) > MAX_BATCH_SIZE:
            raise ShapeError(f"the batch has {len(batch)} samples, the limit of one call is {MAX_BATCH_SIZE}")
        if len(batch) == 1:
            return self._predict, within_limit(request_codec.encode_predict(batch, kind, model_name), 1)
        message = request_codec.encode_batch_predict(batch, kind, model_name)
        return self._batch_predict, within_limit(message, len(batch))

    def _decode(self, reply: bytes, kind: Kind, batch_size: int, output_size: int | None) -> Float32Array:
        """Return a reply's outputs; ServiceError if they break the contract."""
        decode = reply_codec.decode_predict if batch_size == 1 else reply_codec.decode_batch_predict
        try:
            outputs = decode(reply, kind)
            reply_codec.check(outputs, kind, batch_size, output_size)
        except ServiceError as error:
            raise ServiceError(f"{self.address}: {error}") from None
        return outputs
