"""Valid ModelInfer requests, and requests that a test has changed, for tests of the service."""

from collections.abc import Callable

import numpy as np

from runoff.rpc.oip.inference_pb2 import ModelInferRequest
from tests.support.oip import infer_request

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
