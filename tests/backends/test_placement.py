"""Tests that a backend fails unless it runs on the device in its name. These tests do not need a GPU."""

import importlib.util
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from runoff.backends.base import Settings
from runoff.errors import BackendUnavailable
from runoff.measurement.machine import has_nvidia_gpu
from tests.support.models import random_mlp


@pytest.mark.skipif(has_nvidia_gpu(), reason="has a GPU")
@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_service_does_not_start_without_the_requested_gpu(engine: str) -> None:
    """If the service silently ran on the CPU instead of the GPU, its timings would be labelled as a GPU's."""
    if importlib.util.find_spec(engine) is None:
        pytest.skip(f"needs {engine}")
    options = ["--engine", engine, "--device", "gpu", "--untrained", "4,3,2", "--port", "0"]
    command = [sys.executable, "-m", "runoff", "serve", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (1, "") == (done.returncode, done.stdout)
    assert "an NVIDIA GPU" in done.stderr
    assert "pip install 'runoff[gpu]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_pytorch_model_on_another_device_is_refused() -> None:
    """PyTorch may use a different device from the requested one, so the backend must check the device of an output."""
    torch = pytest.importorskip("torch", reason="needs torch")
    from runoff.backends.torch_backend import TorchBackend

    with pytest.raises(BackendUnavailable, match="torch-cuda: PyTorch put the model on cpu"):
        TorchBackend("torch-cuda", random_mlp(), torch.device("cpu"), Settings())


def _session(*nodes_on: str) -> SimpleNamespace:
    """Return a fake ONNX Runtime session that supports CUDA and has one node on each of the given providers."""
    parts = [SimpleNamespace(ep_name=provider) for provider in nodes_on]
    return SimpleNamespace(
        get_providers=lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
        get_provider_graph_assignment_info=lambda: parts,
    )


def test_onnxruntime_node_on_another_device_is_refused() -> None:
    """If one of four nodes runs on the CPU, a timing describes neither device, so opening must fail."""
    from runoff.backends.onnxruntime_backend import check_placement

    name, cuda = "onnxruntime-cuda", "CUDAExecutionProvider"
    check_placement(name, _session(*[cuda] * 4), cuda)
    with pytest.raises(BackendUnavailable, match="put nodes of the model on CPUExecutionProvider"):
        check_placement(name, _session(*[cuda] * 3, "CPUExecutionProvider"), cuda)


def test_real_onnxruntime_session_reports_the_providers_of_its_nodes() -> None:
    """The other tests use fake sessions, so this test checks that a real session has the same methods."""
    from runoff.backends.onnxruntime_backend import check_placement, create_session
    from runoff.conversion import ConversionCache, convert

    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    session = create_session(convert(random_mlp(), cache=ConversionCache()).onnx, "onnxruntime-cpu", Settings())
    assert {"CPUExecutionProvider"} == {part.ep_name for part in session.get_provider_graph_assignment_info()}
    with pytest.raises(BackendUnavailable, match="put nodes of the model on CPUExecutionProvider"):
        check_placement("onnxruntime-cuda", session, "CUDAExecutionProvider")


def test_onnxruntime_session_has_no_fallback_to_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session's options must forbid the CPU. If ONNX Runtime ignores the options, the backend must notice this."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    from runoff.backends.onnxruntime_backend import create_session

    cuda = "CUDAExecutionProvider"
    used = []

    def create_on_both(_onnx: bytes, options: Any, providers: list[str]) -> SimpleNamespace:
        used.append((options.get_session_config_entry("session.disable_cpu_ep_fallback"), providers))
        return _session(cuda, "CPUExecutionProvider")

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [cuda, "CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", create_on_both)
    with pytest.raises(BackendUnavailable, match="put nodes of the model on CPUExecutionProvider"):
        create_session(b"", "onnxruntime-cuda", Settings())
    assert [("1", [cuda])] == used
