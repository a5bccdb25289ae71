"""A device asked for is a device used: found on tensors and nodes, on a machine without a GPU too."""

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
@pytest.mark.parametrize("engine", ["tensorflow", "torch", "onnxruntime"])
def test_service_without_the_gpu_asked_for_does_not_start(engine: str) -> None:
    """Not on the CPU instead: whoever asked would compare the wrong thing."""
    if importlib.util.find_spec(engine) is None:
        pytest.skip(f"needs {engine}")
    words = ["--engine", engine, "--device", "gpu", "--untrained", "4,3,2", "--port", "0"]
    command = [sys.executable, "-m", "runoff", "serve", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (1, "") == (done.returncode, done.stdout)
    assert "an NVIDIA GPU" in done.stderr
    assert "pip install 'runoff[gpu]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_pytorch_answer_from_another_device_is_refused() -> None:
    """The tensor of an answer knows where it is."""
    torch = pytest.importorskip("torch", reason="needs torch")
    from runoff.backends.torch_backend import TorchBackend

    with pytest.raises(BackendUnavailable, match="torch-cuda: PyTorch put the model on cpu"):
        TorchBackend("torch-cuda", random_mlp(), torch.device("cpu"), Settings())


def _session(*nodes_on: str) -> SimpleNamespace:
    """A session that was given the CUDA provider and put its nodes where it wanted."""
    parts = [SimpleNamespace(ep_name=provider) for provider in nodes_on]
    return SimpleNamespace(
        get_providers=lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
        get_provider_graph_assignment_info=lambda: parts,
    )


def test_onnxruntime_node_on_another_device_is_refused() -> None:
    """One node of four on the CPU makes every number a mixture."""
    from runoff.backends.onnxruntime_backend import check_placement

    name, wanted = "onnxruntime-cuda", "CUDAExecutionProvider"
    check_placement(name, _session(*[wanted] * 4), wanted)
    with pytest.raises(BackendUnavailable, match="put nodes of the model on CPUExecutionProvider"):
        check_placement(name, _session(*[wanted] * 3, "CPUExecutionProvider"), wanted)


def test_onnxruntime_tells_where_nodes_are() -> None:
    """The check above looks at what a real session says."""
    from runoff.backends.onnxruntime_backend import check_placement, create_session
    from runoff.conversion import ConversionCache, convert

    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    session = create_session(convert(random_mlp(), cache=ConversionCache()).onnx, "onnxruntime-cpu", Settings())
    assert {"CPUExecutionProvider"} == {part.ep_name for part in session.get_provider_graph_assignment_info()}
    with pytest.raises(BackendUnavailable, match="put nodes of the model on CPUExecutionProvider"):
        check_placement("onnxruntime-cuda", session, "CUDAExecutionProvider")


def test_onnxruntime_session_is_opened_without_a_way_back_to_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime is told to run nothing on the CPU, and asked afterwards where it runs all the same."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    from runoff.backends.onnxruntime_backend import create_session

    wanted = "CUDAExecutionProvider"
    given = []

    def open_astray(_onnx: bytes, options: Any, providers: list[str]) -> SimpleNamespace:
        given.append((options.get_session_config_entry("session.disable_cpu_ep_fallback"), providers))
        return _session(wanted, "CPUExecutionProvider")

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [wanted, "CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", open_astray)
    with pytest.raises(BackendUnavailable, match="put nodes of the model on CPUExecutionProvider"):
        create_session(b"", "onnxruntime-cuda", Settings())
    assert [("1", [wanted])] == given
