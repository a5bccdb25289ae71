"""The handlers of the Open Inference Protocol: every loaded model by its name, raw or typed, as it was asked."""

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
from runoff.service import calls
from runoff.service.hosting import HostedModel, HostedModels, Refusal
from runoff.service.model_description import describe, tell_identity
from runoff.service.oip_checks import check_header, check_numbers
from runoff.service.stopwatch import Stopwatch

# Names, id, shape and tags of a reply, generously; the numbers come on top.
_HEADER_BYTES = 256


class OipService:
    """Answers the calls of the Open Inference Protocol for the models of one service."""

    def __init__(
        self, hosted_models: Callable[[], HostedModels | None], nonce: str, max_batch_size: int, max_message_bytes: int
    ) -> None:
        """
        Prepare.

        Args:
            hosted_models: Returns what it answers for; None while that is being loaded.
            nonce: Tells this start of the service from every other.
            max_batch_size: Largest batch taken.
            max_message_bytes: Largest reply sent.
        """
        self._hosted_models = hosted_models
        self._nonce = nonce
        self._max_batch_size = max_batch_size
        self._max_message_bytes = max_message_bytes

    def handlers(self) -> "grpc.GenericRpcHandler[bytes, bytes]":
        """Return gRPC's handlers."""
        methods = {
            "ServerLive": self.server_live,
            "ServerReady": self.server_ready,
            "ModelReady": self.model_ready,
            "ServerMetadata": self.server_metadata,
            "ModelMetadata": self.model_metadata,
            "ModelInfer": self.model_infer,
        }
        return calls.handlers(SERVICE_NAME, methods)

    def model_infer(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        """Answer ModelInfer."""
        watch = Stopwatch()
        request = calls.decoded("inference.ModelInferRequest", codec.decode_request, message)
        header = request.header
        model = self._find(header.model_name, header.model_version)
        batch = self._batch(request, model)
        watch.lap()
        outputs = model.predict(batch, context, watch)
        reply = codec.encode_response(header, MODEL_VERSION, OUTPUT_NAME, outputs, typed=not request.raw)
        watch.lap()
        watch.tell(context)
        return reply

    def server_live(self, message: bytes, _context: grpc.ServicerContext) -> bytes:
        """Answer ServerLive."""
        calls.parsed(ServerLiveRequest, message)
        return ServerLiveResponse(live=True).SerializeToString()

    def server_ready(self, message: bytes, _context: grpc.ServicerContext) -> bytes:
        """Answer ServerReady: all models are loaded and warm."""
        calls.parsed(ServerReadyRequest, message)
        return ServerReadyResponse(ready=self._hosted_models() is not None).SerializeToString()

    def model_ready(self, message: bytes, _context: grpc.ServicerContext) -> bytes:
        """Answer ModelReady; a model that is not there is not ready, which is no error."""
        request = calls.parsed(ModelReadyRequest, message)
        try:
            self._find(request.name, request.version)
        except Refusal:
            return ModelReadyResponse(ready=False).SerializeToString()
        return ModelReadyResponse(ready=True).SerializeToString()

    def server_metadata(self, message: bytes, _context: grpc.ServicerContext) -> bytes:
        """Answer ServerMetadata."""
        calls.parsed(ServerMetadataRequest, message)
        return ServerMetadataResponse(name=SERVER_NAME, version=_own_version()).SerializeToString()

    def model_metadata(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        """Answer ModelMetadata."""
        request = calls.parsed(ModelMetadataRequest, message)
        model = self._find(request.name, request.version)
        tell_identity(context, describe(model, self._nonce, self._max_batch_size))
        reply = ModelMetadataResponse(name=model.name, versions=[MODEL_VERSION], platform=model.backend.name)
        reply.inputs.add(name=INPUT_NAME, datatype=DATATYPE, shape=(-1, model.mlp.input_size))
        reply.outputs.add(name=OUTPUT_NAME, datatype=DATATYPE, shape=(-1, model.mlp.output_size))
        return reply.SerializeToString()

    def _find(self, name: str, version: str) -> HostedModel:
        """Return the model of a name; Refusal if there is none, or none of that version."""
        models = calls.loaded(self._hosted_models()).models
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
        """Return the batch of a request, shape (batch_size, input_size); Refusal if it is none."""
        batch_size = check_header(request.header, model.mlp.input_size)
        calls.check_batch_size(batch_size, self._max_batch_size)
        header_bytes = _HEADER_BYTES + len(request.header.model_name) + len(request.header.id.encode())
        reply_bytes = header_bytes + 4 * batch_size * model.mlp.output_size
        calls.check_reply_size(batch_size, reply_bytes, self._max_message_bytes)
        batch = check_numbers(request, (batch_size, model.mlp.input_size))
        calls.check_finite(batch)
        return batch


def _own_version() -> str:
    """Return runoff's version; empty in a checkout that is not installed."""
    try:
        return metadata.version("runoff")
    except metadata.PackageNotFoundError:
        return ""
