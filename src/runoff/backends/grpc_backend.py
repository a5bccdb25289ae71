"""A backend that calls a model on a gRPC service through the original protocol, `neural.NeuralService`."""

from runoff.backends.base import Backend
from runoff.errors import OtherModelError, quote
from runoff.models.mlp import Float32Array, Kind, Mlp
from runoff.rpc import identity
from runoff.rpc.call_times import CallParts
from runoff.rpc.model_info import ModelInfo
from runoff.rpc.neural.client import NeuralClient
from runoff.rpc.tls import ClientTls


class GrpcBackend(Backend):
    """
    A model that a service runs.

    Attributes:
        info: The service's description of the model when it was opened.
    """

    def __init__(self, name: str, client: NeuralClient, kind: Kind, info: ModelInfo) -> None:
        super().__init__(name, info.input_size, info.output_size, identity.device_of(info))
        self.info = info
        self.facts |= identity.facts_of(info, client.address)
        self._client = client
        self._kind = kind

    def predict(self, batch: Float32Array) -> Float32Array:
        self.check_batch(batch)
        identity.check_batch_limit(self.name, self._client.address, self.info, len(batch))
        return self._client.predict(batch, self._kind, self.info.model_name, self.output_size)

    def profile(self, batch: Float32Array, calls: int) -> CallParts | None:
        return self._client.profile(batch, self._kind, self.info.model_name, self.output_size, calls)

    def check_same_service(self) -> None:
        # If a new server replaces the old one at the address, the gRPC channel reconnects silently. Without this check,
        # the new server's timings would be recorded under the old server's identity.
        info = self._client.model_info(self._kind, self.info.model_name)
        identity.check_unchanged(self.name, self._client.address, self.info, info)

    def close(self) -> None:
        self._client.close()


def open_grpc(
    name: str,
    address: str,
    mlp: Mlp,
    model_name: str = "",
    timeout_s: float = 10.0,
    *,
    any_name: bool = False,
    allow_other_model: bool = False,
    tls: ClientTls | None = None,
) -> GrpcBackend:
    """
    Open a model on a service.

    Args:
        name: The backend's name.
        address: `host:port` of the service.
        mlp: The model that the service should run.
        model_name: The service's name for the model. A service without model names runs its only model.
        timeout_s: Deadline of every call.
        any_name: Open the service's first model of that kind if it has no model of that name. `info` and the facts
            then name the opened model.
        allow_other_model: Accept any model of that kind, whatever its sizes and weights.
        tls: Trusted authorities and the client's certificate, for a service that speaks TLS.

    Returns:
        The opened backend, on the device that the service reports.

    Raises:
        OtherModelError: If the service's model has other sizes or, if the service reports a digest, other weights.
        BackendUnavailable: If no server listens at the address or no response arrives in time.
        ServiceError: If the service refuses the request or breaks its contract.
    """
    client = NeuralClient(address, timeout_s, None if tls is None else tls.credentials())
    try:
        try:
            info = client.model_info(mlp.kind, model_name)
        except OtherModelError:
            if not any_name:
                raise
            info = client.model_info(mlp.kind)
        difference = identity.describe_other_model(address, mlp, info)
        if difference and not allow_other_model:
            # Perhaps the user mistyped the name of the model, so the error states whether that name is unknown.
            is_found = not info.model_name or model_name in ("", info.model_name)
            missing = "" if is_found else f"; it has no {mlp.kind} named {quote(model_name)}"
            raise OtherModelError(difference + missing)
        backend = GrpcBackend(name, client, mlp.kind, info)
        backend.facts["other_model"] = bool(difference)
        return backend
    except BaseException:
        client.close()
        raise
