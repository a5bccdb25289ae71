"""Tests of the backend `remote-oip` with NVIDIA's Triton, the most common server of the Open Inference Protocol."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from runoff.backends.oip_backend import open_oip
from runoff.errors import OtherModelError, ParityError, ServiceError, ShapeError
from runoff.models import accuracy
from runoff.models.mlp import Float32Array, Kind
from runoff.rpc.oip.inference_pb2 import ModelInferRequest, ModelReadyRequest, ModelReadyResponse
from tests.support.models import random_mlp
from tests.support.oip import call, infer_request, numbers
from tests.support.perf_runs import PerfRun
from tests.support.triton_server import TritonModel, triton_server

MLP = random_mlp(Kind.POLICY, 6, 8, 3)
MODELS = {
    "net": TritonModel(MLP),
    "batched": TritonModel(MLP, max_batch_size=64, dims=(6,)),
    "one_sample": TritonModel(MLP, dims=(6,)),
    "other_weights": TritonModel(random_mlp(Kind.POLICY, 6, 8, 3, seed=1)),
    "doubles": TritonModel(MLP, data_type="TYPE_FP64"),
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Triton server with MODELS."""
    with triton_server(tmp_path_factory.mktemp("triton"), MODELS) as address:
        yield address


def batch_of(size: int) -> Float32Array:
    return np.random.default_rng(0).normal(size=(size, 6)).astype(np.float32)


@pytest.mark.parametrize(
    ("model", "size"), [("net", 1), ("net", 300), ("batched", 1), ("batched", 64), ("one_sample", 1)]
)
def test_outputs_from_triton_match_the_reference(address: str, model: str, size: int) -> None:
    """One model defines a batch dimension, one lets Triton add it, and one has none. The client must support all."""
    with open_oip("remote-oip", address, MLP, model) as backend:
        accuracy.check(model, MLP, batch_of(size), backend.predict(batch_of(size)))
        backend.check_same_service()


def test_facts_about_triton_contain_no_device(address: str) -> None:
    """Triton does not report the device, and runoff must not guess it: a wrong guess would mislabel all timings."""
    with open_oip("remote-oip", address, MLP, "net", "1") as backend:
        assert ("triton", "python", "unknown") == (
            backend.facts["framework"],
            backend.facts["service_platform"],
            backend.device.type,
        )


@pytest.mark.parametrize(
    ("model", "version", "message"),
    [
        pytest.param("nett", "", "nett", id="unknown-model"),
        pytest.param("net", "7", "net", id="unknown-version"),
        pytest.param("doubles", "", "is 'FP64', expected 'FP32'", id="datatype"),
    ],
)
def test_model_that_triton_lacks_is_refused(address: str, model: str, version: str, message: str) -> None:
    """Opening a backend with a wrong model name, version or datatype must fail, so that users see the error early."""
    with pytest.raises(OtherModelError, match=message):
        open_oip("remote-oip", address, MLP, model, version)


def test_model_of_other_sizes_on_triton_is_refused(address: str) -> None:
    """Timings of a different network must not be compared with those of the model under test."""
    with pytest.raises(OtherModelError, match="net with 6 inputs and 3 outputs, expected policy 5→7→3"):
        open_oip("remote-oip", address, random_mlp(), "net")


def test_other_weights_on_triton_fail_the_parity_check(address: str) -> None:
    """Triton's metadata do not identify a model's weights, so the accuracy check must notice the wrong outputs."""
    with open_oip("remote-oip", address, MLP, "other_weights") as backend, pytest.raises(ParityError):
        accuracy.check("other_weights", MLP, batch_of(4), backend.predict(batch_of(4)))


def test_batch_over_tritons_limit_raises_tritons_message(address: str) -> None:
    """Triton's metadata do not contain the batch limit, so the client must send the batch and show Triton's error."""
    with (
        open_oip("remote-oip", address, MLP, "batched") as backend,
        pytest.raises(ServiceError, match=r"INVALID_ARGUMENT.*batch-size must be <= 64"),
    ):
        backend.predict(batch_of(65))


def test_model_without_a_batch_dimension_accepts_one_sample(address: str) -> None:
    """The server's metadata shows that the model takes one sample per call, so the client can refuse larger batches."""
    with open_oip("remote-oip", address, MLP, "one_sample") as backend, pytest.raises(ShapeError, match="takes 1"):
        backend.predict(batch_of(2))


@pytest.mark.parametrize("typed", [False, True], ids=["raw", "typed"])
def test_triton_reads_requests_of_our_stubs(address: str, typed: bool) -> None:
    """Our client and our service share the same stubs, so only an independent parser can reveal a mistake in them."""
    request: ModelInferRequest = infer_request(batch_of(3), "net", typed=typed)
    np.testing.assert_allclose(
        MLP.forward(batch_of(3)), numbers(call(address, "ModelInfer", request.SerializeToString())), rtol=1e-4
    )


def test_unknown_model_on_triton_is_not_ready(address: str) -> None:
    """The protocol does not define this response. runoff's service imitates Triton's, so check what Triton returns."""
    response = call(address, "ModelReady", ModelReadyRequest(name="nett").SerializeToString())
    assert not ModelReadyResponse.FromString(response).ready


def test_perf_run_times_triton_after_checking_its_outputs(address: str, tmp_path: Path) -> None:
    """Users run the perf suite with these options to measure their own Triton server, so the options must work."""
    perf = PerfRun(tmp_path)
    options = ["--backends", "remote-oip,null-oip", "--oip-addr", address, "--oip-model", "net", "--batch-sizes", "4"]
    done = perf.run(*options)
    assert 0 == done.returncode, done.stdout + done.stderr
    records = {b["extra_info"]["runoff"]["backend"]: b["extra_info"]["runoff"] for b in perf.saved()["benchmarks"]}
    assert "float64 reference" == records["remote-oip"]["answers"]
    assert "triton" == records["remote-oip"]["framework_label"]
    assert "computes nothing" == records["null-oip"]["answers"]


def test_perf_run_refuses_another_model_on_triton(address: str, tmp_path: Path) -> None:
    """The error must name the option --allow-other-model, for users who time a different model on purpose."""
    options = ["--oip-addr", address, "--oip-model", "other_weights", "--batch-sizes", "4"]
    done = PerfRun(tmp_path).run("--backends", "remote-oip", *options)
    assert pytest.ExitCode.TESTS_FAILED == done.returncode
    assert "--allow-other-model" in done.stdout


def test_perf_run_labels_another_model_on_triton(address: str, tmp_path: Path) -> None:
    """A user may quote a single line of the report, so each line must state that a different model was timed."""
    options = ["--oip-addr", address, "--oip-model", "other_weights", "--batch-sizes", "4", "--allow-other-model"]
    done = PerfRun(tmp_path).run("--backends", "remote-oip,onnxruntime-cpu", *options)
    assert 0 == done.returncode, done.stdout + done.stderr
    about = [line for line in done.stdout.splitlines() if "remote-oip" in line and "test_predict[" not in line]
    assert about
    assert all("another model" in line for line in about)
