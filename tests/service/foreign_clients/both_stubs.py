# mypy: ignore-errors
"""
Calls a server with tritonclient's gRPC stubs and with runoff's in one process, and compares the outputs.

Usage: python both_stubs.py ADDRESS MODEL MODULE MODULE, in tritonclient's environment; the modules are imported in
the given order.
"""

import importlib
import sys

import numpy as np

address, model, *modules = sys.argv[1:]
for module in modules:
    importlib.import_module(module)

import tritonclient.grpc as triton  # noqa: E402

from runoff.rpc.oip.client import OipClient  # noqa: E402
from runoff.rpc.oip.model_tensors import read_model_tensors  # noqa: E402

batch = np.arange(10, dtype=np.float32).reshape(2, 5) / 10
tensor = triton.InferInput("input", [2, 5], "FP32")
tensor.set_data_from_numpy(batch)
theirs = triton.InferenceServerClient(address).infer(model, [tensor]).as_numpy("output")
with OipClient(address, model) as client:
    ours = client.predict(batch, read_model_tensors(client.model_identity()[0], 5, 3), None)
sys.stdout.write(str(np.array_equal(ours, theirs)))
