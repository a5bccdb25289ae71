"""The choice of a device: all models of a service run on the same device."""

import pytest

from runoff.backends.base import Backend, Settings
from runoff.errors import BackendUnavailable
from runoff.measurement.machine import Device
from runoff.models.mlp import Mlp
from runoff.service import model_loading
from tests.support.fake_backend import FakeBackend
from tests.support.models import random_mlp


class UnreliableGpu:
    """Opens fake backends. The n-th constructor argument decides whether the n-th attempt to use the GPU succeeds."""

    def __init__(self, *available: bool) -> None:
        self._available = list(available)

    def open(self, name: str, mlp: Mlp, _onnx: bytes | None, _settings: Settings) -> Backend:
        device_type = "gpu" if name == "torch-cuda" else "cpu"
        if device_type == "gpu" and not self._available.pop(0):
            raise BackendUnavailable("out of memory")
        backend = FakeBackend(mlp)
        backend.device = Device(device_type)
        return backend


def device_types(monkeypatch: pytest.MonkeyPatch, *gpu_available: bool) -> list[str]:
    """Open two models with `--device auto`. Return the device type, `gpu` or `cpu`, that each model runs on."""
    monkeypatch.setattr(model_loading, "open_in_process", UnreliableGpu(*gpu_available).open)
    models = {name: (random_mlp(), False) for name in ("first", "second")}
    hosted = model_loading.open_models(models, "torch", "auto", Settings())
    return [model.backend.device.type for model in hosted]


def test_models_run_on_the_gpu_that_the_first_one_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `--device auto`, the service must prefer a GPU and open all models on it."""
    assert ["gpu", "gpu"] == device_types(monkeypatch, True, True)


def test_later_model_that_does_not_fit_on_the_gpu_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ready line names one device for all models, so a later model must not silently run on the CPU."""
    with pytest.raises(BackendUnavailable, match="out of memory"):
        device_types(monkeypatch, True, False)


def test_models_stay_on_the_cpu_with_the_first_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a GPU becomes available between two models, the second one must still be opened on the first one's device."""
    assert ["cpu", "cpu"] == device_types(monkeypatch, False, True)
