"""Conversions of real trained networks. These tests need a folder `shared/models` next to the checkout."""

from pathlib import Path

import pytest

from runoff.conversion import convert
from runoff.models import go_json

REAL_MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"
PATHS = sorted(REAL_MODELS.glob("*.model"))

pytestmark = pytest.mark.skipif(not PATHS, reason="no folder shared/models beside the checkout")


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in PATHS])
def test_real_network_converts(path: Path) -> None:
    """Unlike networks with random weights, some trained networks have huge logits, so real networks are tested too."""
    report = convert(go_json.read(path)).accuracy
    assert report is not None
    assert report.fraction_of_allowed < 1


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in PATHS])
def test_only_the_network_of_huge_logits_gets_a_warning(path: Path) -> None:
    """Only rps_h256_policy has logits in the millions, so only its conversion must warn about float32 rounding."""
    report = convert(go_json.read(path)).accuracy
    assert report is not None
    assert (path.stem == "rps_h256_policy") == report.outputs.ill_conditioned
