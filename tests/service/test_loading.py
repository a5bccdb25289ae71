"""Where the models of a service run: all of them on one device."""

import pytest

from runoff.backends.base import Backend, Settings
from runoff.errors import BackendUnavailable
from runoff.measurement.machine import Device
from runoff.models.mlp import Mlp
from runoff.service import model_loading
from tests.support.fake_backend import FakeBackend
from tests.support.models import random_mlp


class GpuThatComesAndGoes:
    """Opens fake backends; those on the GPU only where it is said to be there, once for each attempt."""

    def __init__(self, *there: bool) -> None:
        self._there = list(there)

    def open(self, name: str, mlp: Mlp, _onnx: bytes | None, _settings: Settings) -> Backend:
        device_type = "gpu" if name == "torch-cuda" else "cpu"
        if device_type == "gpu" and not self._there.pop(0):
            raise BackendUnavailable("out of memory")
        backend = FakeBackend(mlp)
        backend.device = Device(device_type)
        return backend


def device_types(monkeypatch: pytest.MonkeyPatch, *gpu_there: bool) -> list[str]:
    """Return where two models are put by a service that may choose."""
    monkeypatch.setattr(model_loading, "open_in_process", GpuThatComesAndGoes(*gpu_there).open)
    models = {name: (random_mlp(), False) for name in ("first", "second")}
    hosted = model_loading.open_models(models, "torch", "auto", Settings()).models
    return [model.backend.device.type for model in hosted]


def test_models_run_on_the_gpu_that_the_first_one_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tests below vary."""
    assert ["gpu", "gpu"] == device_types(monkeypatch, True, True)


def test_model_that_the_gpu_does_not_take_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU it would answer under a ready line that says GPU."""
    with pytest.raises(BackendUnavailable, match="out of memory"):
        device_types(monkeypatch, True, False)


def test_models_stay_on_the_cpu_with_the_first_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that is free again a moment later would make two devices of one service."""
    assert ["cpu", "cpu"] == device_types(monkeypatch, False, True)
