"""Request handlers of the original protocol, whose gRPC service is called `neural.NeuralService`."""

from collections.abc import Callable

import grpc

from runoff.errors import quote
from runoff.models.mlp import Float32Array, Kind
from runoff.rpc.neural import request_codec, response_codec
from runoff.rpc.neural.neural_pb2 import ModelInfoRequest
from runoff.rpc.neural.request_codec import Request
from runoff.rpc.neural.service_name import SERVICE_NAME
from runoff.service import call_handling
from runoff.service.hosted_models import HostedModel, Refusal, ServiceState
from runoff.service.model_description import send_identity
from runoff.service.stopwatch import Stopwatch

# Upper bound on a response's bytes per sample without the outputs: three 1-byte tags and four varints of up to 5 bytes.
_SAMPLE_BYTES = 23


class NeuralService:
    """Implements the methods of the gRPC service `neural.NeuralService` for a set of models."""

    def __init__(self, state: ServiceState) -> None:
        self._state = state

    def handlers(self) -> "grpc.GenericRpcHandler[bytes, bytes]":
        """Return the gRPC handlers of the service's methods."""
        methods = {"Predict": self.predict, "BatchPredict": self.batch_predict, "GetModelInfo": self.model_info}
        return call_handling.create_handlers(SERVICE_NAME, methods)

    def predict(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        """Handle Predict: one sample."""
        name, encode = "neural.PredictRequest", response_codec.encode_predict
        return self._respond(message, context, name, request_codec.decode_predict, encode)

    def batch_predict(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        """Handle BatchPredict: any number of samples."""
        name, encode = "neural.BatchPredictRequest", response_codec.encode_batch_predict
        return self._respond(message, context, name, request_codec.decode_batch_predict, encode)

    def model_info(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        """Handle GetModelInfo: return the model's layer sizes, and the identity of the model and of the service."""
        request = call_handling.parse_request(ModelInfoRequest, message)
        model = self._find(request.model_type, request.model_name)
        return send_identity(context, model, self._state)

    def _respond(
        self,
        message: bytes,
        context: grpc.ServicerContext,
        name: str,
        decode: Callable[[bytes], Request],
        encode: Callable[[Float32Array, Kind], bytes],
    ) -> bytes:
        """Decode a request of the message type `name`, run the model, and return the encoded response."""
        stopwatch = Stopwatch()
        request = call_handling.decode_request(name, decode, message)
        model = self._find(request.model_type, request.model_name)
        self._state.check_batch_size(request.count)
        _check_samples(request, model.mlp.input_size)
        self._state.check_response_size(request.count, request.count * (4 * model.mlp.output_size + _SAMPLE_BYTES))
        stopwatch.lap()
        response = encode(model.predict(request.batch, context, stopwatch), model.mlp.kind)
        stopwatch.send(context)
        return response

    def _find(self, model_type: str, model_name: str) -> HostedModel:
        """Return the model of this type and name. If the name is empty, return the first model of the type."""
        models = self._state.loaded_models()
        if model_type not in list(Kind):
            message = f"model_type is {quote(model_type)}, expected {' or '.join(Kind)}"
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, message)
        for model in models:
            if model.mlp.kind == model_type and model_name in ("", model.name):
                return model
        wanted = f"{model_type} model" + (f" named {quote(model_name)}" if model_name else "")
        loaded = quote(", ".join(f"{model.name} ({model.mlp.kind})" for model in models), 300)
        raise Refusal(grpc.StatusCode.NOT_FOUND, f"no {wanted} is loaded; loaded: {loaded}")


def _check_samples(request: Request, input_size: int) -> None:
    """Raise Refusal if the batch is empty, or if a sample does not consist of `input_size` finite numbers."""
    if not request.count:
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "the batch is empty, expected at least one sample")
    if request.lengths != input_size:
        lengths = request.lengths if isinstance(request.lengths, list) else [request.lengths]
        index, found = next((index, length) for index, length in enumerate(lengths) if length != input_size)
        message = f"sample {index} has {found or 'no'} features, expected {input_size}"
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, message)
    call_handling.check_finite(request.batch)
