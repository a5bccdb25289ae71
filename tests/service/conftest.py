"""Fixtures for the tests of this folder: model files and services."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runoff.models import go_json_writer
from runoff.models.mlp import Kind
from runoff.service.launcher import RunningService, launch
from tests.support.models import random_mlp
from tests.support.services import WatchedBackend


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy model file. Its folder's name contains a space, because users' folders may, too."""
    path = tmp_path_factory.mktemp("my models") / "tiny_policy.model"
    path.write_bytes(go_json_writer.encode(random_mlp()))
    return path


@pytest.fixture(scope="session")
def value_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A value model file."""
    path = tmp_path_factory.mktemp("models") / "tiny_value.model"
    path.write_bytes(go_json_writer.encode(random_mlp(Kind.VALUE, seed=3)))
    return path


@pytest.fixture
def running(model_path: Path) -> Iterator[RunningService]:
    """A service that runs the policy with NumPy, started for one test that may stop, kill or suspend it."""
    with launch("numpy", [model_path], start_timeout_s=120) as service:
        yield service


@pytest.fixture(scope="session")
def shared_service(model_path: Path) -> Iterator[RunningService]:
    """A service that runs the policy with NumPy, shared by tests that only call it."""
    with launch("numpy", [model_path]) as service:
        yield service


@pytest.fixture
def backend() -> WatchedBackend:
    """The backend of a policy, for one test that controls its outputs or counts its calls."""
    return WatchedBackend(random_mlp())
