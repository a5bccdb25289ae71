"""The request handlers of the Open Inference Protocol, `inference.GRPCInferenceService`."""

from collections.abc import Callable
from importlib import metadata

import grpc

from runoff.errors import quote
from runoff.models.mlp import Float32Array
from runoff.rpc.oip import codec
from runoff.rpc.oip.codec import InferMessage
from runoff.rpc.oip.contract import (
    DATATYPE,
    INPUT_NAME,
    MODEL_VERSION,
    OUTPUT_NAME,
    SERVER_NAME,
    SERVICE_NAME,
)
from runoff.rpc.oip.inference_pb2 import (
    ModelMetadataRequest,
    ModelMetadataResponse,
    ModelReadyRequest,
    ModelReadyResponse,
    ServerLiveRequest,
    ServerLiveResponse,
    ServerMetadataRequest,
    ServerMetadataResponse,
    ServerReadyRequest,
    ServerReadyResponse,
)
from runoff.service import call_handling
from runoff.service.hosted_models import HostedModel, HostedModels, Refusal
from runoff.service.model_description import describe, send_identity
from runoff.service.oip_checks import check_header, extract_batch
from runoff.service.stopwatch import Stopwatch

# Upper limit for the names, shape and tags of a response, without model name, request id and outputs.
_HEADER_BYTES = 256


class OipService:
    """The methods of the Open Inference Protocol, for the models of one service."""

    def __init__(
        self, hosted_models: Callable[[], HostedModels | None], nonce: str, max_batch_size: int, max_message_bytes: int
    ) -> None:
        """
        Create the methods.

        Args:
            hosted_models: Returns the hosted models, or None while they are still being loaded.
            nonce: The random string that identifies this start of the service.
            max_batch_size: Largest number of samples in a request.
            max_message_bytes: Largest response.
        """
        self._hosted_models = hosted_models
        self._nonce = nonce
        self._max_batch_size = max_batch_size
        self._max_message_bytes = max_message_bytes

    def handlers(self) -> "grpc.GenericRpcHandler[bytes, bytes]":
        """Return the gRPC handlers of the service's methods."""
        methods = {
            "ServerLive": self.server_live,
            "ServerReady": self.server_ready,
            "ModelReady": self.model_ready,
            "ServerMetadata": self.server_metadata,
            "ModelMetadata": self.model_metadata,
            "ModelInfer": self.model_infer,
        }
        return call_handling.create_handlers(SERVICE_NAME, methods)

    def model_infer(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        """Handle ModelInfer: outputs are returned raw or typed, as the inputs were sent."""
        stopwatch = Stopwatch()
        request = call_handling.decode_request("inference.ModelInferRequest", codec.decode_request, message)
        header = request.header
        model = self._find(header.model_name, header.model_version)
        batch = self._batch(request, model)
        stopwatch.lap()
        outputs = model.predict(batch, context, stopwatch)
        response = codec.encode_response(header, MODEL_VERSION, OUTPUT_NAME, outputs, typed=not request.raw)
        stopwatch.lap()
        stopwatch.send(context)
        return response

    def server_live(self, message: bytes, _context: grpc.ServicerContext) -> bytes:
        """Handle ServerLive: true whenever the server answers."""
        call_handling.parse_request(ServerLiveRequest, message)
        return ServerLiveResponse(live=True).SerializeToString()

    def server_ready(self, message: bytes, _context: grpc.ServicerContext) -> bytes:
        """Handle ServerReady: true when all models are loaded and warmed up."""
        call_handling.parse_request(ServerReadyRequest, message)
        return ServerReadyResponse(ready=self._hosted_models() is not None).SerializeToString()

    def model_ready(self, message: bytes, _context: grpc.ServicerContext) -> bytes:
        """Handle ModelReady: false, and no error, for a model that does not exist."""
        request = call_handling.parse_request(ModelReadyRequest, message)
        try:
            self._find(request.name, request.version)
        except Refusal:
            return ModelReadyResponse(ready=False).SerializeToString()
        return ModelReadyResponse(ready=True).SerializeToString()

    def server_metadata(self, message: bytes, _context: grpc.ServicerContext) -> bytes:
        """Handle ServerMetadata: name and version of the server."""
        call_handling.parse_request(ServerMetadataRequest, message)
        return ServerMetadataResponse(name=SERVER_NAME, version=_own_version()).SerializeToString()

    def model_metadata(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        """Handle ModelMetadata: inputs and outputs of a model, and the service's identity in the metadata."""
        request = call_handling.parse_request(ModelMetadataRequest, message)
        model = self._find(request.name, request.version)
        send_identity(context, describe(model, self._nonce, self._max_batch_size))
        response = ModelMetadataResponse(name=model.name, versions=[MODEL_VERSION], platform=model.backend.name)
        response.inputs.add(name=INPUT_NAME, datatype=DATATYPE, shape=(-1, model.mlp.input_size))
        response.outputs.add(name=OUTPUT_NAME, datatype=DATATYPE, shape=(-1, model.mlp.output_size))
        return response.SerializeToString()

    def _find(self, name: str, version: str) -> HostedModel:
        """Return the model with this name; raise Refusal if the name or the version does not exist."""
        models = call_handling.require_loaded(self._hosted_models()).models
        model = next((model for model in models if model.name == name), None)
        if model is None:
            loaded = quote(", ".join(model.name for model in models), 300)
            raise Refusal(grpc.StatusCode.NOT_FOUND, f"no model named {quote(name)} is loaded; loaded: {loaded}")
        if version not in ("", MODEL_VERSION):
            raise Refusal(
                grpc.StatusCode.NOT_FOUND,
                f"{name} has no version {quote(version)}, expected {MODEL_VERSION!r} or none",
            )
        return model

    def _batch(self, request: InferMessage, model: HostedModel) -> Float32Array:
        """Return the batch of a request, shape (batch_size, input_size); raise Refusal if the request is invalid."""
        batch_size = check_header(request.header, model.mlp.input_size)
        call_handling.check_batch_size(batch_size, self._max_batch_size)
        header_bytes = _HEADER_BYTES + len(request.header.model_name) + len(request.header.id.encode())
        response_bytes = header_bytes + 4 * batch_size * model.mlp.output_size
        call_handling.check_response_size(batch_size, response_bytes, self._max_message_bytes)
        batch = extract_batch(request, (batch_size, model.mlp.input_size))
        call_handling.check_finite(batch)
        return batch


def _own_version() -> str:
    """Return the version of runoff, or an empty string in a checkout that is not installed."""
    try:
        return metadata.version("runoff")
    except metadata.PackageNotFoundError:
        return ""
