"""The handlers of `neural.NeuralService`: bytes in, bytes out, every refusal with its status and both values."""

import secrets

import grpc

from runoff.rpc.limits import MAX_BATCH_SIZE, MAX_MESSAGE_BYTES
from runoff.rpc.neural import request_codec, response_codec
from runoff.rpc.neural.contract import SERVICE_NAME
from runoff.rpc.neural.neural_pb2 import ModelInfoRequest
from runoff.rpc.neural.request_codec import Request
from runoff.service import calls
from runoff.service.hosting import HostedModels, Refusal
from runoff.service.model_description import describe, tell_identity
from runoff.service.stopwatch import Stopwatch


class NeuralService:
    """
    Answers the calls of one service.

    Attributes:
        models: What it answers for; None while they are still being loaded.
        nonce: Random per start: tells this service from a later one at its address.
    """

    def __init__(self, max_batch_size: int = MAX_BATCH_SIZE, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self.models: HostedModels | None = None
        self.nonce = secrets.token_hex(8)
        self._max_batch_size = max_batch_size
        self._max_message_bytes = max_message_bytes

    def handlers(self) -> "grpc.GenericRpcHandler[bytes, bytes]":
        """Return gRPC's handlers."""
        methods = {"Predict": self.predict, "BatchPredict": self.batch_predict, "GetModelInfo": self.model_info}
        return calls.handlers(SERVICE_NAME, methods)

    def predict(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        """Answer Predict."""
        watch = Stopwatch()
        request = calls.decoded("neural.PredictRequest", request_codec.decode_predict, message)
        model = calls.loaded(self.models).find(request.model_type, request.model_name)
        _check_samples(request, model.mlp.input_size)
        self._check_reply(1, model.mlp.output_size)
        watch.lap()
        reply = response_codec.encode_predict(model.predict(request.batch, context, watch), model.mlp.kind)
        watch.lap()
        watch.tell(context)
        return reply

    def batch_predict(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        """Answer BatchPredict."""
        watch = Stopwatch()
        request = calls.decoded("neural.BatchPredictRequest", request_codec.decode_batch_predict, message)
        model = calls.loaded(self.models).find(request.model_type, request.model_name)
        calls.check_batch_size(request.count, self._max_batch_size)
        _check_samples(request, model.mlp.input_size)
        self._check_reply(request.count, model.mlp.output_size)
        watch.lap()
        reply = response_codec.encode_batch_predict(model.predict(request.batch, context, watch), model.mlp.kind)
        watch.lap()
        watch.tell(context)
        return reply

    def model_info(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        """Answer GetModelInfo."""
        request = calls.parsed(ModelInfoRequest, message)
        model = calls.loaded(self.models).find(request.model_type, request.model_name)
        info = describe(model, self.nonce, self._max_batch_size)
        tell_identity(context, info)
        return info.SerializeToString()

    def _check_reply(self, batch_size: int, output_size: int) -> None:
        """Raise Refusal if the reply would be over the message limit; asked before anything is computed."""
        # The numbers of a sample, and around them three tags and four varints of at most 5 bytes.
        reply_bytes = batch_size * (4 * output_size + 23)
        calls.check_reply_size(batch_size, reply_bytes, self._max_message_bytes)


def _check_samples(request: Request, input_size: int) -> None:
    """Raise Refusal unless every sample has input_size finite features."""
    if not request.count:
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "the batch is empty, expected at least one sample")
    if request.lengths != input_size:
        lengths = request.lengths if isinstance(request.lengths, list) else [request.lengths]
        index, found = next((index, length) for index, length in enumerate(lengths) if length != input_size)
        raise Refusal(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"sample {index} has {found or 'no'} features, expected {input_size}",
        )
    calls.check_finite(request.batch)
