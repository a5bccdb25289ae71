"""A network is written exactly as the Go trainer would write it, and reading the file restores every bit."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runoff.models import go_json, go_json_writer
from runoff.models.mlp import Kind
from tests.support.models import random_mlp
from tests.support.test_size import scaled

REAL_MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"


@pytest.mark.parametrize("kind", [pytest.param(kind, id=str(kind)) for kind in Kind])
def test_network_survives_writing_and_reading(kind: Kind) -> None:
    """The digest depends on every bit of every weight, so equal digests prove that nothing was lost."""
    mlp = random_mlp(kind)
    assert mlp.digest == go_json.parse(go_json_writer.encode(mlp), "net.model").digest


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=path.stem) for path in sorted(REAL_MODELS.glob("*.model"))]
    or [pytest.param(None, marks=pytest.mark.skip(reason="no folder shared/models beside the checkout"))],
)
def test_real_file_comes_back_byte_for_byte(path: Path) -> None:
    """Reading and rewriting the trainer's own file must give equal bytes, which proves that both steps are exact."""
    assert path.read_bytes() == go_json_writer.encode(go_json.read(path))


# Hypothesis's time limit per example is off, because the test must also pass on a busy machine.
@settings(max_examples=scaled(1000), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_is_written_as_json_that_reads_back_exactly(number: float) -> None:
    """A number is written with as few digits as possible, but reading it must restore the same float64, even -0.0."""
    found = json.loads(go_json_writer._encode_float(number), parse_int=float)
    assert np.float64(number).tobytes() == np.float64(found).tobytes()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (-2.5, "-2.5"),
        (1e-6, "0.000001"),
        (9.5e-7, "9.5e-7"),
        (1e-7, "1e-7"),
        (1.25e-10, "1.25e-10"),
        (5e-324, "5e-324"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (0.1 + 0.2, "0.30000000000000004"),
    ],
)
def test_number_is_written_as_go_writes_it(number: float, text: str) -> None:
    """Like Go's encoding/json, runoff must use exponents only below 1e-6 and from 1e21 on, without leading zeros."""
    assert text == go_json_writer._encode_float(number)
