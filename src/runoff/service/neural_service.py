"""The request handlers of the original protocol, `neural.NeuralService`, which decode requests and encode responses."""

import secrets

import grpc

from runoff.rpc.limits import MAX_BATCH_SIZE, MAX_MESSAGE_BYTES
from runoff.rpc.neural import request_codec, response_codec
from runoff.rpc.neural.contract import SERVICE_NAME
from runoff.rpc.neural.neural_pb2 import ModelInfoRequest
from runoff.rpc.neural.request_codec import Request
from runoff.service import call_handling
from runoff.service.hosted_models import HostedModels, Refusal
from runoff.service.model_description import describe, send_identity
from runoff.service.stopwatch import Stopwatch


class NeuralService:
    """
    The methods of `neural.NeuralService`.

    Attributes:
        models: The hosted models; None while they are still being loaded.
        nonce: A random string by which clients notice that another service has taken over the address.
    """

    def __init__(self, max_batch_size: int = MAX_BATCH_SIZE, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self.models: HostedModels | None = None
        self.nonce = secrets.token_hex(8)
        self._max_batch_size = max_batch_size
        self._max_message_bytes = max_message_bytes

    def handlers(self) -> "grpc.GenericRpcHandler[bytes, bytes]":
        """Return the gRPC handlers of the service's methods."""
        methods = {"Predict": self.predict, "BatchPredict": self.batch_predict, "GetModelInfo": self.model_info}
        return call_handling.create_handlers(SERVICE_NAME, methods)

    def predict(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        """Handle Predict: one sample."""
        stopwatch = Stopwatch()
        request = call_handling.decode_request("neural.PredictRequest", request_codec.decode_predict, message)
        model = call_handling.require_loaded(self.models).find(request.model_type, request.model_name)
        _check_samples(request, model.mlp.input_size)
        self._check_response_size(1, model.mlp.output_size)
        stopwatch.lap()
        response = response_codec.encode_predict(model.predict(request.batch, context, stopwatch), model.mlp.kind)
        stopwatch.lap()
        stopwatch.send(context)
        return response

    def batch_predict(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        """Handle BatchPredict: any number of samples."""
        stopwatch = Stopwatch()
        request = call_handling.decode_request(
            "neural.BatchPredictRequest", request_codec.decode_batch_predict, message
        )
        model = call_handling.require_loaded(self.models).find(request.model_type, request.model_name)
        call_handling.check_batch_size(request.count, self._max_batch_size)
        _check_samples(request, model.mlp.input_size)
        self._check_response_size(request.count, model.mlp.output_size)
        stopwatch.lap()
        response = response_codec.encode_batch_predict(model.predict(request.batch, context, stopwatch), model.mlp.kind)
        stopwatch.lap()
        stopwatch.send(context)
        return response

    def model_info(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        """Handle GetModelInfo: the model's sizes and the service's identity."""
        request = call_handling.parse_request(ModelInfoRequest, message)
        model = call_handling.require_loaded(self.models).find(request.model_type, request.model_name)
        info = describe(model, self.nonce, self._max_batch_size)
        send_identity(context, info)
        return info.SerializeToString()

    def _check_response_size(self, batch_size: int, output_size: int) -> None:
        """Raise Refusal if the response would be over the message limit; called before anything is computed."""
        # Per sample: 4 bytes for each output, plus three tags of 1 byte and four varints of at most 5 bytes.
        response_bytes = batch_size * (4 * output_size + 23)
        call_handling.check_response_size(batch_size, response_bytes, self._max_message_bytes)


def _check_samples(request: Request, input_size: int) -> None:
    """Raise Refusal if the batch is empty, or if a sample does not have `input_size` finite features."""
    if not request.count:
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "the batch is empty, expected at least one sample")
    if request.lengths != input_size:
        lengths = request.lengths if isinstance(request.lengths, list) else [request.lengths]
        index, found = next((index, length) for index, length in enumerate(lengths) if length != input_size)
        raise Refusal(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"sample {index} has {found or 'no'} features, expected {input_size}",
        )
    call_handling.check_finite(request.batch)
