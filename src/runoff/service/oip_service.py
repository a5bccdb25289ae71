"""Request handlers of the Open Inference Protocol, whose gRPC service is called `inference.GRPCInferenceService`."""

import grpc

from runoff.errors import quote
from runoff.models.mlp import Float32Array
from runoff.rpc.oip import codec, inference_pb2
from runoff.rpc.oip.codec import InferMessage
from runoff.rpc.oip.names import DATATYPE, INPUT_NAME, MODEL_VERSION, OUTPUT_NAME, SERVER_NAME, SERVICE_NAME
from runoff.service import call_handling
from runoff.service.hosted_models import HostedModel, Refusal, ServiceState
from runoff.service.model_description import package_versions, send_identity
from runoff.service.oip_checks import check_header, extract_batch
from runoff.service.stopwatch import Stopwatch

# Upper bound on the bytes of a response, apart from the model's name, the request id and the outputs.
_HEADER_BYTES = 256


class OipService:
    """Implements the methods of the Open Inference Protocol for a set of models."""

    def __init__(self, state: ServiceState) -> None:
        self._state = state

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
        """Handle ModelInfer: return the outputs in the same form as the inputs, either raw or typed."""
        stopwatch = Stopwatch()
        request = call_handling.decode_request("inference.ModelInferRequest", codec.decode_request, message)
        header = request.header
        model = self._find(header.model_name, header.model_version)
        batch = self._batch(request, model)
        stopwatch.lap()
        outputs = model.predict(batch, context, stopwatch)
        response = codec.encode_response(header, MODEL_VERSION, OUTPUT_NAME, outputs, typed=not request.raw)
        stopwatch.send(context)
        return response

    def server_live(self, message: bytes, _context: grpc.ServicerContext) -> bytes:
        """Handle ServerLive: return true whenever the server answers."""
        call_handling.parse_request(inference_pb2.ServerLiveRequest, message)
        return inference_pb2.ServerLiveResponse(live=True).SerializeToString()

    def server_ready(self, message: bytes, _context: grpc.ServicerContext) -> bytes:
        """Handle ServerReady: return true once all models are loaded and warmed up."""
        call_handling.parse_request(inference_pb2.ServerReadyRequest, message)
        return inference_pb2.ServerReadyResponse(ready=self._state.models is not None).SerializeToString()

    def model_ready(self, message: bytes, _context: grpc.ServicerContext) -> bytes:
        """Handle ModelReady: return whether a model can be called. If it does not exist, return false, not an error."""
        request = call_handling.parse_request(inference_pb2.ModelReadyRequest, message)
        try:
            self._find(request.name, request.version)
        except Refusal:
            return inference_pb2.ModelReadyResponse(ready=False).SerializeToString()
        return inference_pb2.ModelReadyResponse(ready=True).SerializeToString()

    def server_metadata(self, message: bytes, _context: grpc.ServicerContext) -> bytes:
        """Handle ServerMetadata: return the name and the version of the server."""
        call_handling.parse_request(inference_pb2.ServerMetadataRequest, message)
        return inference_pb2.ServerMetadataResponse(
            name=SERVER_NAME, version=package_versions().get("runoff", "")
        ).SerializeToString()

    def model_metadata(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        """Handle ModelMetadata: return the model's inputs and outputs. Send its identity in the call's metadata."""
        request = call_handling.parse_request(inference_pb2.ModelMetadataRequest, message)
        model = self._find(request.name, request.version)
        send_identity(context, model, self._state)
        response = inference_pb2.ModelMetadataResponse(
            name=model.name, versions=[MODEL_VERSION], platform=model.backend.name
        )
        response.inputs.add(name=INPUT_NAME, datatype=DATATYPE, shape=(-1, model.mlp.input_size))
        response.outputs.add(name=OUTPUT_NAME, datatype=DATATYPE, shape=(-1, model.mlp.output_size))
        return response.SerializeToString()

    def _find(self, name: str, version: str) -> HostedModel:
        """Return the model with this name. Raise Refusal if the name or the version does not exist."""
        models = self._state.loaded_models()
        model = next((model for model in models if model.name == name), None)
        if model is None:
            loaded = quote(", ".join(model.name for model in models), 300)
            raise Refusal(grpc.StatusCode.NOT_FOUND, f"no model named {quote(name)} is loaded; loaded: {loaded}")
        if version not in ("", MODEL_VERSION):
            message = f"{name} has no version {quote(version)}, expected {MODEL_VERSION!r} or none"
            raise Refusal(grpc.StatusCode.NOT_FOUND, message)
        return model

    def _batch(self, request: InferMessage, model: HostedModel) -> Float32Array:
        """Return the batch of a request, shape (batch_size, input_size). Raise Refusal if the request is invalid."""
        batch_size = check_header(request.header, model.mlp.input_size)
        self._state.check_batch_size(batch_size)
        header_bytes = _HEADER_BYTES + len(request.header.model_name) + len(request.header.id.encode())
        response_bytes = header_bytes + 4 * batch_size * model.mlp.output_size
        self._state.check_response_size(batch_size, response_bytes)
        batch = extract_batch(request, (batch_size, model.mlp.input_size))
        call_handling.check_finite(batch)
        return batch
