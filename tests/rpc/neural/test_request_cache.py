"""Tests that the request decoder of the original protocol does not cache long model names."""

import tracemalloc

import numpy as np

from runoff.rpc.neural import request_codec
from runoff.rpc.neural.neural_pb2 import PredictRequest


def test_long_model_names_are_not_cached() -> None:
    """If long names were cached, a client could exhaust the memory by sending a new long name in each request."""
    sample = request_codec.encode_predict(np.array([[0.1, 0.2, 0.3]], np.float32), "", "")
    tracemalloc.start()
    try:
        for index in range(64):
            tail = PredictRequest(model_type="policy", model_name=f"{index} {'x' * 100_000}").SerializeToString()
            request_codec.decode_predict(sample + tail)
        cached_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert cached_bytes < 2_000_000
