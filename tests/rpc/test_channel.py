"""Tests of our gRPC channel settings that differ from gRPC's defaults."""

import grpc
import numpy as np
import pytest

from runoff.errors import RunoffError
from runoff.models.mlp import Kind
from runoff.rpc.neural.client import NeuralClient
from tests.support.models import random_mlp
from tests.support.refusing_server import refusing_server
from tests.support.services import foreign_info, foreign_service


def test_refused_call_is_sent_once() -> None:
    """By default, gRPC silently repeats a refused call, and a benchmark would record both attempts as one slow call."""
    with (
        refusing_server() as (address, refused),
        NeuralClient(address, timeout_s=60) as client,
        pytest.raises(RunoffError, match=address),
    ):
        client.predict(np.ones((1, 5), np.float32), Kind.POLICY)
    assert 1 == len(refused)


def test_each_client_has_a_connection_of_its_own() -> None:
    """On a shared connection, clients would wait for each other's calls, which would distort their timings."""
    info = foreign_info(random_mlp())
    peers: list[str] = []

    def respond(_request: bytes, context: grpc.ServicerContext) -> bytes:
        peers.append(context.peer())
        return info

    with (
        foreign_service({"GetModelInfo": respond}) as address,
        NeuralClient(address) as first,
        NeuralClient(address) as second,
    ):
        for client in (first, second, first):
            client.model_info(Kind.POLICY)
    assert peers[0] == peers[2]
    assert peers[0] != peers[1]
