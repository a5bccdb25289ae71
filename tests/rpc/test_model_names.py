"""Which of a service's models is opened, and that the backend says which it was."""

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
    """A value and two policies."""
    return {"value": WatchedBackend(VALUE), "first": WatchedBackend(FIRST), "second": WatchedBackend(SECOND)}


@pytest.fixture
def server(backends: dict[str, WatchedBackend]) -> Iterator[Server]:
    """Their service."""
    with served(backends) as server:
        yield server


@pytest.mark.parametrize(("asked", "opened"), [("second", "second"), ("elsewhere", "first"), ("", "first")])
def test_name_that_the_service_has_not_opens_its_first_model_of_the_kind(
    server: Server, backends: dict[str, WatchedBackend], asked: str, opened: str
) -> None:
    """A user's file and a service of theirs seldom have one name; the record says what was timed."""
    with open_grpc("x-grpc", server.address, FIRST, asked, any_name=True, allow_other_model=True) as backend:
        backend.predict(np.ones((1, 5), np.float32))
        assert (opened, backends[opened].mlp.digest) == (
            backend.facts["service_model"],
            backend.facts["model_digest"],
        )
    assert [opened] == [name for name, watched in backends.items() if watched.batch_sizes]


def test_first_model_is_refused_by_its_name_if_it_is_another(server: Server) -> None:
    """The one that was meant may stand behind it, under a name of its own."""
    with pytest.raises(OtherModelError, match=r"runs first, .* other weights.*; it has no policy named 'elsewhere'"):
        open_grpc("x-grpc", server.address, SECOND, "elsewhere", any_name=True)


def test_name_is_the_only_one_for_a_service_of_our_own(server: Server) -> None:
    """Such a service was started with that very model."""
    with pytest.raises(OtherModelError, match="no policy model named 'elsewhere'"):
        open_grpc("x-grpc", server.address, FIRST, "elsewhere")
