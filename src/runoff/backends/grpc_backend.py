"""A model behind a service, in the original messages, with the contract of any other backend."""

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
    One model of one service.

    Attributes:
        info: What the service said about it on opening.
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
        """
        Make sure that the service at the address is still the one that was opened.

        A channel follows a new server at its address silently, so timings would be put down to the wrong one.

        Raises:
            ServiceError: If another process, another start or another model answers.
            BackendUnavailable: If none answers.
        """
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
    Open a model of a service.

    Args:
        name: The backend's name.
        address: `host:port` of the service.
        mlp: The model it is expected to run.
        model_name: The service's name for it; a foreign service, which knows no names, answers with the one it has.
        timeout_s: Deadline of every call.
        any_name: Take the service's first model of that kind if it has none of that name; `info` and the facts say
            which that was.
        tls: Whom to trust and what to show, for a service that speaks TLS.
        allow_other_model: Take whatever model of that kind the service runs, in its own sizes.

    Returns:
        The opened backend, on the device that the service found.

    Raises:
        OtherModelError: If the service runs a model of other sizes or, where it tells, other weights.
        BackendUnavailable: If nobody listens at the address or no answer comes in time.
        ServiceError: If the service refuses or breaks its contract.
    """
    client = NeuralClient(address, timeout_s, None if tls is None else tls.credentials())
    try:
        try:
            info = client.model_info(mlp.kind, model_name)
        except OtherModelError:
            if not any_name:
                raise
            info = client.model_info(mlp.kind)
        if not allow_other_model:
            _check_same_model(address, mlp, info, model_name)
        backend = GrpcBackend(name, client, mlp.kind, info)
        backend.facts["other_model"] = identity.is_other_model(mlp, info)
        return backend
    except BaseException:
        client.close()
        raise


def _check_same_model(address: str, mlp: Mlp, info: ModelInfo, model_name: str) -> None:
    """Raise OtherModelError as `identity.check_same_model`, which says so if the model has not the name asked for."""
    try:
        identity.check_same_model(address, mlp, info)
    except OtherModelError as error:
        if not info.model_name or model_name in ("", info.model_name):
            raise
        # The one that was meant may well be there, under a name of its own.
        raise OtherModelError(f"{error}; it has no {mlp.kind} named {quote(model_name)}") from None
