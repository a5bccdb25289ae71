"""Tests that users can choose one of a service's models by name, and that records name the model that was opened."""

from collections.abc import Iterator

import numpy as np
import pytest

from runoff.backends.grpc_backend import open_grpc
from runoff.errors import OtherModelError
from runoff.models.mlp import Kind
from runoff.service.server import Server
from tests.support.models import random_mlp
from tests.support.services import WatchedBackend, served

VALUE, FIRST, SECOND = random_mlp(Kind.VALUE, seed=1), random_mlp(seed=2), random_mlp(seed=3)


@pytest.fixture
def backends() -> dict[str, WatchedBackend]:
    """The backends of a service with one value network and two policy networks, by model name."""
    return {"value": WatchedBackend(VALUE), "first": WatchedBackend(FIRST), "second": WatchedBackend(SECOND)}


@pytest.fixture
def server(backends: dict[str, WatchedBackend]) -> Iterator[Server]:
    """A service of all three networks."""
    with served(backends) as server:
        yield server


@pytest.mark.parametrize(("requested", "opened"), [("second", "second"), ("elsewhere", "first"), ("", "first")])
def test_unknown_name_opens_the_services_first_model_of_the_kind(
    server: Server, backends: dict[str, WatchedBackend], requested: str, opened: str
) -> None:
    """A service may have the user's model under a different name, so the record must contain the service's name."""
    with open_grpc("x-grpc", server.address, FIRST, requested, any_name=True, allow_other_model=True) as backend:
        backend.predict(np.ones((1, 5), np.float32))
        assert (opened, backends[opened].mlp.digest) == (
            backend.facts["service_model"],
            backend.facts["model_digest"],
        )
    assert [opened] == [name for name, watched in backends.items() if watched.batch_sizes]


def test_error_about_another_model_mentions_the_unknown_name(server: Server) -> None:
    """Perhaps the user mistyped the model's name and so opened another model, so the error must mention the name."""
    with pytest.raises(OtherModelError, match=r"runs first, .* other weights.*; it has no policy named 'elsewhere'"):
        open_grpc("x-grpc", server.address, SECOND, "elsewhere", any_name=True)


def test_unknown_name_is_refused_by_default(server: Server) -> None:
    """If a service that runoff started lacks the requested model, runoff has a bug, so opening must fail."""
    with pytest.raises(OtherModelError, match="no policy model named 'elsewhere'"):
        open_grpc("x-grpc", server.address, FIRST, "elsewhere")
