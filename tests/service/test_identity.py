"""Who answers: told in metadata too, for clients that speak no message of ours."""

import grpc
import pytest

from runoff.backends.base import Device
from runoff.backends.neural_grpc.neural_pb2 import ModelInfoRequest, ModelInfoResponse
from runoff.backends.oip_grpc.inference_pb2 import ModelMetadataRequest
from tests.support.models import random_mlp
from tests.support.services import WatchedBackend, served

MLP = random_mlp()
ASKING = {
    "/neural.NeuralService/GetModelInfo": ModelInfoRequest(model_type="policy", model_name="net"),
    "/inference.GRPCInferenceService/ModelMetadata": ModelMetadataRequest(name="net"),
}


def asked(address: str, method: str) -> tuple[bytes, dict[str, str | bytes]]:
    """Return a reply and the metadata behind it."""
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        message = ASKING[method].SerializeToString()
        reply, call = channel.unary_unary(method, None, None).with_call(message, timeout=10)
        return reply, dict(call.trailing_metadata())


@pytest.mark.parametrize("method", ASKING)
def test_metadata_tells_what_model_info_tells(method: str) -> None:
    """A client of either protocol can tell this start of this service from any other."""
    with served({"net": WatchedBackend(MLP)}) as server:
        info = ModelInfoResponse.FromString(asked(server.address, "/neural.NeuralService/GetModelInfo")[0])
        _, metadata = asked(server.address, method)
    wanted = {
        "runoff-model-digest": MLP.digest,
        "runoff-device": info.device,
        "runoff-device-name": info.device_name,
        "runoff-framework": info.framework,
        "runoff-framework-version": info.framework_version,
        "runoff-threads": str(info.threads),
        "runoff-pid": str(info.pid),
        "runoff-nonce": info.nonce,
    }
    assert wanted == metadata
    assert all(wanted.values())


def test_device_of_any_name_can_be_told() -> None:
    """Metadata takes ASCII only; a device's own name may be anything."""
    backend = WatchedBackend(MLP)
    backend.device = Device("cpu", "Prozessor für\nalles")
    with served({"net": backend}) as server:
        _, metadata = asked(server.address, "/inference.GRPCInferenceService/ModelMetadata")
    assert r"Prozessor f\xfcr?alles" == metadata["runoff-device-name"]
