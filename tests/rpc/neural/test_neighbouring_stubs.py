"""Tests that a user's own neural_pb2 module and ours work in one process, although both define the same messages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import runoff
from runoff.rpc.neural import neural_pb2
from tests.support.models import random_mlp
from tests.support.protoc import run_protoc
from tests.support.services import WatchedBackend, served

CONTRACT = Path(neural_pb2.__file__).with_name("neural.proto").read_text()
# The command-line arguments are the service's address and the modules in the order in which to import them.
USE_BOTH = """
import importlib, sys
import numpy as np
address, *order = sys.argv[1:]
for module in order:
    importlib.import_module(module)
import neural_pb2
from runoff.rpc.neural.client import NeuralClient
from runoff.models.mlp import Kind
theirs = neural_pb2.PredictRequest(features=[1.0, 2.0], model_type="policy")
assert theirs == neural_pb2.PredictRequest.FromString(theirs.SerializeToString())
with NeuralClient(address) as client:
    print(client.predict(np.ones((1, 5), np.float32), Kind.POLICY).shape, client.model_info(Kind.POLICY).sizes)
"""
ORDERS = {
    "ours-first": ("runoff.rpc.neural.neural_pb2", "neural_pb2"),
    "theirs-first": ("neural_pb2", "runoff.rpc.neural.neural_pb2"),
}
CONTRACTS = {
    "same": CONTRACT,
    # Users of the original service have a .proto file without the fields that runoff added.
    "original": "".join(line for line in CONTRACT.splitlines(keepends=True) if " = 16;" not in line),
    "other": 'syntax = "proto3"; package neural; message PredictRequest'
    " { string model_type = 1; repeated double features = 2; }",
}


@pytest.mark.parametrize("contract", CONTRACTS)
@pytest.mark.parametrize("order", ORDERS)
def test_users_own_stubs_and_ours_work_in_one_process(contract: str, order: str, tmp_path: Path) -> None:
    """A user's test suite may import the user's stubs and runoff in any order, so both orders must work."""
    (tmp_path / "neural.proto").write_text(CONTRACTS[contract])
    run_protoc(f"-I{tmp_path}", f"--python_out={tmp_path}", "neural.proto")
    own_folder = str(Path(runoff.__file__).parent.parent)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path), own_folder))}
    with served({"m": WatchedBackend(random_mlp())}) as server:
        command = [sys.executable, "-c", USE_BOTH, server.address, *ORDERS[order]]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert "(1, 3) (5, 7, 3)\n" == result.stdout, result.stderr
