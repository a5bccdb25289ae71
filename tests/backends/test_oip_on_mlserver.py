"""Tests of the backend `remote-oip` with MLServer, a server of the Open Inference Protocol unrelated to Triton."""

import json
import shutil
from collections.abc import Iterator

import numpy as np
import pytest

from runoff.backends.oip_backend import open_oip
from runoff.errors import OtherModelError
from runoff.models import accuracy
from runoff.models.mlp import Float32Array, Kind
from tests.support.foreign_servers import FOREIGN_MODELS, running_server, save_weights
from tests.support.foreign_software import foreign_python
from tests.support.models import random_mlp
from tests.support.oip import call, infer_request, numbers
from tests.support.services import free_port

MLP = random_mlp(Kind.POLICY, 6, 8, 3)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start MLServer with the network MLP under the name `net`, and return its address."""
    folder = tmp_path_factory.mktemp("mlserver")
    python = foreign_python("mlserver", ["mlserver"])
    shutil.copy(FOREIGN_MODELS / "mlserver_model.py", folder)
    save_weights(MLP, folder / "weights.npz")
    port = free_port()
    ports = {"grpc_port": port, "http_port": free_port(), "metrics_port": free_port()}
    (folder / "settings.json").write_text(json.dumps({"host": "127.0.0.1", "parallel_workers": 0, **ports}))
    tensors = {
        "inputs": [{"name": "input", "datatype": "FP32", "shape": [-1, 6]}],
        "outputs": [{"name": "output", "datatype": "FP32", "shape": [-1, 3]}],
    }
    (folder / "model-settings.json").write_text(
        json.dumps({"name": "net", "implementation": "mlserver_model.Policy", **tensors})
    )
    command = [str(python.with_name("mlserver")), "start", str(folder)]
    with running_server(command, f"127.0.0.1:{port}", folder / "log", PYTHONPATH=str(folder)) as address:
        yield address


def batch_of(size: int) -> Float32Array:
    return np.random.default_rng(0).normal(size=(size, 6)).astype(np.float32)


@pytest.mark.parametrize("size", [1, 300])
def test_outputs_from_mlserver_match_the_reference(address: str, size: int) -> None:
    """Servers interpret the protocol differently, so it is not enough to test with Triton alone."""
    with open_oip("remote-oip", address, MLP, "net") as backend:
        accuracy.check("net", MLP, batch_of(size), backend.predict(batch_of(size)))
        assert "mlserver" == backend.facts["framework"]
        backend.check_same_service()


def test_mlserver_reads_typed_requests_of_our_stubs(address: str) -> None:
    """Our client and our service share the same stubs, so only an independent parser can reveal a mistake in them."""
    request = infer_request(batch_of(3), "net", typed=True).SerializeToString()
    np.testing.assert_allclose(MLP.forward(batch_of(3)), numbers(call(address, "ModelInfer", request)), rtol=1e-4)


@pytest.mark.parametrize(("model", "version"), [("nett", ""), ("net", "9")])
def test_model_that_mlserver_lacks_is_refused(address: str, model: str, version: str) -> None:
    """Opening a backend with a wrong model name or version must fail, so that users see the error early."""
    with pytest.raises(OtherModelError, match=f"has no such model: .*{model}"):
        open_oip("remote-oip", address, MLP, model, version)
