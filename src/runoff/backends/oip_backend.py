"""A backend that calls a model through the Open Inference Protocol, on runoff's own service or any other server."""

from google.protobuf.text_format import MessageToString

from runoff.backends.base import Backend
from runoff.errors import OtherModelError, ServiceError
from runoff.measurement.machine import Device
from runoff.models.mlp import Float32Array, Kind, Mlp
from runoff.rpc import identity
from runoff.rpc.call_times import CallParts
from runoff.rpc.model_info import ModelInfo
from runoff.rpc.neural.client import NeuralClient
from runoff.rpc.oip.client import OipClient
from runoff.rpc.oip.inference_pb2 import ModelMetadataResponse, ServerMetadataResponse
from runoff.rpc.oip.model_tensors import read_model_tensors
from runoff.rpc.oip.names import SERVER_NAME
from runoff.rpc.tls import ClientTls


class OipBackend(Backend):
    """
    A model that a server of the Open Inference Protocol runs.

    Attributes:
        tensors: The model's input and output.
        info: The description of the model that runoff's own service adds to its responses. None for other servers.
    """

    def __init__(self, name: str, client: OipClient, mlp: Mlp, *, kind: Kind | None) -> None:
        """
        Request the metadata of the server and of the client's model. Raises the same errors as `open_oip`.

        The outputs must be probabilities if `kind` is policy. If `kind` is value or None, they must be finite.
        """
        self._client, self._kind = client, kind
        self._expected_kind = mlp.kind
        self._server, self._metadata, self.info = self._request_identity()
        try:
            self.tensors = read_model_tensors(self._metadata, mlp.input_size, mlp.output_size)
        except ServiceError as error:
            raise type(error)(f"{client.address}: {error}") from None
        device = identity.device_of(self.info) if self.info else Device("unknown")
        super().__init__(name, self.tensors.input_size, self.tensors.output_size, device)
        self.facts |= self._facts_of_server()

    def predict(self, batch: Float32Array) -> Float32Array:
        self.check_batch(batch)
        identity.check_batch_limit(self.name, self._client.address, self.info, len(batch))
        return self._client.predict(batch, self.tensors, self._kind)

    def profile(self, batch: Float32Array, calls: int) -> CallParts | None:
        return self._client.profile(batch, self.tensors, self._kind, calls)

    def check_same_service(self) -> None:
        server, metadata, info = self._request_identity()
        if self.info and info:
            identity.check_unchanged(self.name, self._client.address, self.info, info)
        elif self.info or info:
            ours, foreign = "a runoff service", "another server"
            before, after = (foreign, ours) if info else (ours, foreign)
            raise ServiceError(
                f"{self.name}: the server at {self._client.address} was replaced by another: was {before}, is {after}"
            )
        for role, opened, found in (("server", self._server, server), ("model", self._metadata, metadata)):
            if opened != found:
                raise ServiceError(
                    f"{self.name}: the {role} at {self._client.address} was replaced by another:"
                    f" was {MessageToString(opened, as_one_line=True)[:300]},"
                    f" is {MessageToString(found, as_one_line=True)[:300]}"
                )

    def close(self) -> None:
        self._client.close()

    def _request_identity(self) -> tuple[ServerMetadataResponse, ModelMetadataResponse, ModelInfo | None]:
        """Request the server's metadata, the model's metadata and, if the server is runoff's own, the ModelInfo."""
        server = self._client.server_metadata()
        metadata, info = self._client.model_identity()
        if info or server.name != SERVER_NAME:
            return server, metadata, info
        # This is runoff's service, but its response lacks the ModelInfo, perhaps because a proxy dropped it. Request
        # the same ModelInfo through the original protocol instead.
        client = self._client
        ours = NeuralClient(client.address, client.timeout_s, channel=client.channel)
        try:
            return server, metadata, ours.model_info(self._expected_kind, client.model_name)
        except OtherModelError:
            # With allow_other_model, the model may be of the other kind: value instead of policy, or vice versa.
            other = next(kind for kind in Kind if kind is not self._expected_kind)
            return server, metadata, ours.model_info(other, client.model_name)

    def _facts_of_server(self) -> dict[str, str | int | float | bool]:
        """Return the facts about the server and its model that are saved in each record."""
        if self.info:
            return identity.facts_of(self.info, self._client.address)
        return {
            identity.IDENTITY_FACT: False,
            "framework": self._server.name,
            "framework_version": self._server.version,
            "service_platform": self._metadata.platform,
            "service_address": self._client.address,
            "service_model": self._client.model_name,
            "service_model_versions": ", ".join(self._metadata.versions),
            "model_description": f"{self._client.model_name} ({self._metadata.platform or 'unknown platform'})",
        }

    def describe_other_model(self, mlp: Mlp) -> str:
        """Return a sentence that describes how the server's model differs from `mlp`, or "" if it does not differ."""
        if self.info:
            return identity.describe_other_model(self._client.address, mlp, self.info)
        if (self.input_size, self.output_size) == (mlp.input_size, mlp.output_size):
            return ""
        found = f"{self._client.model_name} with {self.input_size} inputs and {self.output_size} outputs"
        return f"the server at {self._client.address} runs {found}, expected {mlp.description}"


def open_oip(
    name: str,
    address: str,
    mlp: Mlp,
    model_name: str,
    model_version: str = "",
    timeout_s: float = 10.0,
    *,
    allow_other_model: bool = False,
    tls: ClientTls | None = None,
) -> OipBackend:
    """
    Open a model on a server.

    Args:
        name: The backend's name.
        address: `host:port` of the server.
        mlp: The model that the server should run.
        model_name: The server's name for the model.
        model_version: Version of the model. If it is empty, the server chooses a version.
        timeout_s: Deadline of every call.
        allow_other_model: Accept any model of that name, whatever its sizes and weights.
        tls: Trusted authorities and the client's certificate, for a server that speaks TLS.

    Returns:
        The opened backend. Its device is the one that runoff's service reports, or unknown for any other server.

    Raises:
        OtherModelError: If the server has no such model, or if the model's sizes or datatype differ, or its weights, if
            the server reports a digest.
        BackendUnavailable: If no server listens at the address or no response arrives in time.
        ServiceError: If the server refuses the request or breaks the protocol.
    """
    client = OipClient(address, model_name, model_version, timeout_s, tls.credentials() if tls else None)
    try:
        backend = OipBackend(name, client, mlp, kind=None if allow_other_model else mlp.kind)
        difference = backend.describe_other_model(mlp)
        if difference and not allow_other_model:
            raise OtherModelError(difference)
        backend.facts["other_model"] = bool(difference)
        return backend
    except BaseException:
        client.close()
        raise
