"""Our client against NVIDIA's Triton, the server that most users of the Open Inference Protocol have."""

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
    """The address of a Triton server with MODELS."""
    with triton_server(tmp_path_factory.mktemp("triton"), MODELS) as address:
        yield address


def batch_of(size: int) -> Float32Array:
    return np.random.default_rng(0).normal(size=(size, 6)).astype(np.float32)


@pytest.mark.parametrize(
    ("model", "size"), [("net", 1), ("net", 300), ("batched", 1), ("batched", 64), ("one_sample", 1)]
)
def test_answers_of_triton_are_the_models(address: str, model: str, size: int) -> None:
    """With a batch dimension of the model's own, of Triton's, and with none."""
    with open_oip("remote-oip", address, MLP, model) as backend:
        accuracy.check(model, MLP, batch_of(size), backend.predict(batch_of(size)))
        backend.check_same_service()


def test_triton_says_who_it_is_and_not_on_which_device(address: str) -> None:
    """What it does not say is not guessed."""
    with open_oip("remote-oip", address, MLP, "net", "1") as backend:
        assert ("triton", "python", "unknown") == (
            backend.facts["framework"],
            backend.facts["service_platform"],
            backend.device.type,
        )


@pytest.mark.parametrize(
    ("model", "version", "words"),
    [
        pytest.param("nett", "", "nett", id="unknown-model"),
        pytest.param("net", "7", "net", id="unknown-version"),
        pytest.param("doubles", "", "is 'FP64', expected 'FP32'", id="datatype"),
    ],
)
def test_model_that_triton_does_not_have_is_refused(address: str, model: str, version: str, words: str) -> None:
    """On opening, not in the timed calls."""
    with pytest.raises(OtherModelError, match=words):
        open_oip("remote-oip", address, MLP, model, version)


def test_model_of_other_sizes_on_triton_is_refused_with_both(address: str) -> None:
    """A fast answer of the wrong network is no answer."""
    with pytest.raises(OtherModelError, match="net with 6 inputs and 3 outputs, expected policy 5→7→3"):
        open_oip("remote-oip", address, random_mlp(), "net")


def test_other_weights_on_triton_are_found_by_the_parity_check(address: str) -> None:
    """Metadata tells no weights."""
    with open_oip("remote-oip", address, MLP, "other_weights") as backend, pytest.raises(ParityError):
        accuracy.check("other_weights", MLP, batch_of(4), backend.predict(batch_of(4)))


def test_batch_over_tritons_limit_is_told_in_its_words(address: str) -> None:
    """The protocol does not announce the limit."""
    with (
        open_oip("remote-oip", address, MLP, "batched") as backend,
        pytest.raises(ServiceError, match=r"INVALID_ARGUMENT.*batch-size must be <= 64"),
    ):
        backend.predict(batch_of(65))


def test_model_without_a_batch_dimension_takes_no_batch(address: str) -> None:
    """Said before it is sent."""
    with open_oip("remote-oip", address, MLP, "one_sample") as backend, pytest.raises(ShapeError, match="takes 1"):
        backend.predict(batch_of(2))


@pytest.mark.parametrize("typed", [False, True], ids=["raw", "typed"])
def test_triton_takes_what_our_stubs_write(address: str, typed: bool) -> None:
    """Our messages are the protocol's, in both forms."""
    request: ModelInferRequest = infer_request(batch_of(3), "net", typed=typed)
    np.testing.assert_allclose(
        MLP.forward(batch_of(3)), numbers(call(address, "ModelInfer", request.SerializeToString())), rtol=1e-4
    )


def test_triton_calls_an_unknown_model_not_ready(address: str) -> None:
    """As our service does."""
    reply = call(address, "ModelReady", ModelReadyRequest(name="nett").SerializeToString())
    assert not ModelReadyResponse.FromString(reply).ready


def test_perf_run_times_triton_after_checking_its_answers(address: str, tmp_path: Path) -> None:
    """What a user with a server of their own types."""
    perf = PerfRun(tmp_path)
    options = ["--backends", "remote-oip,null-oip", "--oip-addr", address, "--oip-model", "net", "--batch-sizes", "4"]
    done = perf.run(*options)
    assert 0 == done.returncode, done.stdout + done.stderr
    records = {b["extra_info"]["runoff"]["backend"]: b["extra_info"]["runoff"] for b in perf.saved()["benchmarks"]}
    assert "float64 reference" == records["remote-oip"]["answers"]
    assert "triton" == records["remote-oip"]["framework_label"]
    assert "computes nothing" == records["null-oip"]["answers"]


def test_perf_run_refuses_another_model_on_triton_with_the_cure(address: str, tmp_path: Path) -> None:
    """Of the same sizes, so only the answers tell."""
    options = ["--oip-addr", address, "--oip-model", "other_weights", "--batch-sizes", "4"]
    done = PerfRun(tmp_path).run("--backends", "remote-oip", *options)
    assert pytest.ExitCode.TESTS_FAILED == done.returncode
    assert "--allow-other-model" in done.stdout


def test_perf_run_labels_another_model_on_triton_when_allowed(address: str, tmp_path: Path) -> None:
    """Every line about it says so."""
    options = ["--oip-addr", address, "--oip-model", "other_weights", "--batch-sizes", "4", "--allow-other-model"]
    done = PerfRun(tmp_path).run("--backends", "remote-oip,onnxruntime-cpu", *options)
    assert 0 == done.returncode, done.stdout + done.stderr
    about = [line for line in done.stdout.splitlines() if "remote-oip" in line and "test_predict[" not in line]
    assert about
    assert all("another model" in line for line in about)
