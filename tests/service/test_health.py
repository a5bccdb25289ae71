"""The health status that the service reports while it loads its models, serves them and shuts down."""

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from runoff.models.mlp import Kind
from runoff.rpc.neural.client import NeuralClient
from runoff.service.hosted_models import HostedModel
from runoff.service.launcher import RunningService
from runoff.service.server import Server
from tests.support.models import random_mlp
from tests.support.services import WatchedBackend, served


def health_of(address: str, service: str) -> int:
    """Return the health status of a service or model, a value of ServingStatus."""
    with grpc.insecure_channel(address) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        return int(health_pb2_grpc.HealthStub(channel).Check(request, timeout=10).status)


def test_health_is_serving_once_loaded() -> None:
    """Load balancers rely on health checks, so the status must not be SERVING while predictions are refused."""
    serving_, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
    backend = WatchedBackend(random_mlp())
    server = Server("127.0.0.1", 0)
    server.start(["m"])
    try:
        names = ("", "neural.NeuralService", "inference.GRPCInferenceService", "m")
        assert [not_serving] * 4 == [health_of(server.address, name) for name in names]
        server.serve([HostedModel("m", backend.mlp, backend)])
        assert [serving_] * 4 == [health_of(server.address, name) for name in names]
    finally:
        server.stop(0).wait(60)


def test_health_watches_report_the_shutdown() -> None:
    """A load balancer must learn of a shutdown from the health status, so that it stops sending calls in time."""
    with served({"m": WatchedBackend(random_mlp())}) as server, grpc.insecure_channel(server.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        names = ("", "neural.NeuralService", "inference.GRPCInferenceService", "m")
        watches = [stub.Watch(health_pb2.HealthCheckRequest(service=name), timeout=60) for name in names]
        assert [health_pb2.HealthCheckResponse.SERVING] * 4 == [next(watch).status for watch in watches]
        server.stop(5)
        assert [health_pb2.HealthCheckResponse.NOT_SERVING] * 4 == [next(watch).status for watch in watches]
        for watch in watches:
            watch.cancel()


def test_predictions_are_refused_while_loading() -> None:
    """TensorFlow takes seconds to load. A client that calls during this time must get an error immediately."""
    server = Server("127.0.0.1", 0)
    server.start()
    try:
        with NeuralClient(server.address) as client, pytest.raises(Exception, match="still loading"):
            client.model_info(Kind.POLICY)
    finally:
        server.stop(0).wait(60)


def test_health_of_an_unknown_model_is_not_found(shared_service: RunningService) -> None:
    """If the server reported SERVING for any name, a misspelt model name in a health probe would go unnoticed."""
    with pytest.raises(grpc.RpcError) as error:
        health_of(shared_service.address, "no_such_model")
    assert grpc.StatusCode.NOT_FOUND is error.value.code()
