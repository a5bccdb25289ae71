"""A service with two models, valid ModelInfer requests, and requests that a test has changed."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np

from runoff.models.mlp import Kind
from runoff.rpc.oip.inference_pb2 import ModelInferRequest
from runoff.service.server import Server
from tests.support.models import random_mlp
from tests.support.oip import infer_request
from tests.support.services import WatchedBackend, served

BATCH = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
VALID = infer_request(BATCH).SerializeToString()


def changed_request(change: Callable[[ModelInferRequest], object], *, typed: bool = False) -> bytes:
    """Return a valid request after a change."""
    request = infer_request(BATCH, typed=typed)
    change(request)
    return request.SerializeToString()


def add_parameter(request: ModelInferRequest, name: str) -> None:
    """Add a parameter to a request's input."""
    request.inputs[0].parameters[name].string_param = "x"


def serve_policy_and_value(backend: WatchedBackend) -> AbstractContextManager[Server]:
    """Serve a policy named `first` on the given backend, and a value network named `second`."""
    return served({"first": backend, "second": WatchedBackend(random_mlp(Kind.VALUE, seed=1))})
