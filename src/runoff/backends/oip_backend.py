"""A model behind the Open Inference Protocol, on a service of ours or any other server."""

from runoff.backends.base import Backend
from runoff.errors import OtherModelError, ServiceError
from runoff.measurement.machine import Device
from runoff.models.mlp import Float32Array, Kind, Mlp
from runoff.rpc import identity
from runoff.rpc.call_times import CallParts
from runoff.rpc.model_info import ModelInfo
from runoff.rpc.neural.client import NeuralClient
from runoff.rpc.oip.client import OipClient
from runoff.rpc.oip.contract import SERVER_NAME
from runoff.rpc.oip.inference_pb2 import ModelMetadataResponse, ServerMetadataResponse
from runoff.rpc.oip.model_tensors import read_model_tensors
from runoff.rpc.tls import ClientTls


class OipBackend(Backend):
    """
    One model of one server.

    Attributes:
        tensors: What the model takes and gives.
        info: What a service of ours says beyond the protocol; None for any other server.
    """

    def __init__(
        self,
        name: str,
        client: OipClient,
        mlp: Mlp,
        *,
        kind: Kind | None,
    ) -> None:
        """
        Ask the server about itself and the model.

        Args:
            name: The backend's name.
            client: Of the server and the model; the backend's own from now on.
            mlp: The model that is expected.
            kind: Policy if the outputs must be probabilities; None if nothing but numbers is expected of them.

        Raises:
            RunoffError: As `open_oip`.
        """
        self._client, self._kind = client, kind
        self._expected_kind = mlp.kind
        self._server, self._metadata, self.info = self._ask()
        try:
            self.tensors = read_model_tensors(self._metadata, mlp.input_size, mlp.output_size)
        except ServiceError as error:
            raise type(error)(f"{client.address}: {error}") from None
        device = identity.device_of(self.info) if self.info else Device("unknown")
        super().__init__(name, self.tensors.input_size, self.tensors.output_size, device)
        self.facts |= self._describe()

    def predict(self, batch: Float32Array) -> Float32Array:
        self.check_batch(batch)
        self._check_limit(len(batch))
        return self._client.predict(batch, self.tensors, self._kind)

    def profile(self, batch: Float32Array, calls: int) -> CallParts | None:
        self._check_limit(len(batch))
        return self._client.profile(batch, self.tensors, self._kind, calls)

    def check_same_service(self) -> None:
        """
        Make sure that the server and the model are still those that were opened, as far as they tell.

        Raises:
            ServiceError: If another server, another start of a service of ours or another model answers.
            BackendUnavailable: If none answers.
        """
        server, metadata, info = self._ask()
        if self.info and info:
            identity.check_unchanged(self.name, self._client.address, self.info, info)
        elif self.info or info:
            found, wanted = ("tells who it is", "told nothing") if info else ("tells nothing", "told who it was")
            raise ServiceError(
                f"{self.name}: another server answers at {self._client.address}: it {found}, was one that {wanted}"
            )
        for what, before, after in (("server", self._server, server), ("model", self._metadata, metadata)):
            if before != after:
                found, wanted = _in_words(after), _in_words(before)
                raise ServiceError(
                    f"{self.name}: another {what} answers at {self._client.address}: was {wanted}, is {found}"
                )

    def close(self) -> None:
        self._client.close()

    def _ask(self) -> tuple[ServerMetadataResponse, ModelMetadataResponse, ModelInfo | None]:
        """Ask for everything by which server and model can be told from others."""
        server = self._client.server_metadata()
        metadata, info = self._client.model_identity()
        if info or server.name != SERVER_NAME:
            return server, metadata, info
        # A service of ours, but metadata of calls did not come through; its other protocol tells the same.
        client = self._client
        ours = NeuralClient(client.address, client.timeout_s, channel=client.channel)
        try:
            return server, metadata, ours.model_info(self._expected_kind, client.model_name)
        except OtherModelError:
            # Of the other kind, which the caller may allow.
            other = next(kind for kind in Kind if kind is not self._expected_kind)
            return server, metadata, ours.model_info(other, client.model_name)

    def _describe(self) -> dict[str, str | int | float | bool]:
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

    def _check_limit(self, batch_size: int) -> None:
        if self.info:
            identity.check_batch_limit(self.name, self._client.address, self.info, batch_size)


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
    Open a model of a server.

    Args:
        name: The backend's name.
        address: `host:port` of the server.
        mlp: The model it is expected to run.
        model_name: The server's name for it.
        model_version: Its version; empty leaves it to the server.
        timeout_s: Deadline of every call.
        allow_other_model: Take whatever model the server runs under that name, in its own sizes.
        tls: Whom to trust and what to show, for a server that speaks TLS.

    Returns:
        The opened backend, on the device that a service of ours found; on an unknown one elsewhere.

    Raises:
        OtherModelError: If there is no such model, or it has other sizes, datatype or, where told, weights.
        BackendUnavailable: If nobody listens at the address or no answer comes in time.
        ServiceError: If the server refuses or breaks the protocol.
    """
    client = OipClient(address, model_name, model_version, timeout_s, tls.credentials() if tls else None)
    try:
        backend = OipBackend(name, client, mlp, kind=None if allow_other_model else mlp.kind)
        is_other = _is_other(backend, mlp)
        if is_other and not allow_other_model:
            _refuse_other(backend, mlp, client)
        backend.facts["other_model"] = is_other
        return backend
    except BaseException:
        client.close()
        raise


def _is_other(backend: OipBackend, mlp: Mlp) -> bool:
    """Return whether what the server tells shows that it runs another model; the parity check sees the rest."""
    if backend.info:
        return identity.is_other_model(mlp, backend.info)
    return (backend.input_size, backend.output_size) != (mlp.input_size, mlp.output_size)


def _refuse_other(backend: OipBackend, mlp: Mlp, client: OipClient) -> None:
    if backend.info:
        identity.check_same_model(client.address, mlp, backend.info)
    raise OtherModelError(
        f"the server at {client.address} runs {client.model_name} with {backend.input_size} inputs and"
        f" {backend.output_size} outputs, expected {mlp.description}"
    )


def _in_words(message: ServerMetadataResponse | ModelMetadataResponse) -> str:
    """Return metadata on one line."""
    return " ".join(str(message).split())[:300]
