"""Real trained networks, where the checkout has them beside it."""

from pathlib import Path

import pytest

from runoff.conversion import convert
from runoff.models import go_json

REAL_MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"
PATHS = sorted(REAL_MODELS.glob("*.model"))

pytestmark = pytest.mark.skipif(not PATHS, reason="no folder shared/models beside the checkout")


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in PATHS])
def test_real_network_converts(path: Path) -> None:
    """What the trainer really writes, the ill-conditioned one included."""
    report = convert(go_json.read(path)).accuracy
    assert report is not None
    assert max(report.fraction_of_allowed, report.logit_fraction_of_allowed) < 1


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in PATHS])
def test_only_the_network_of_huge_logits_gets_a_warning(path: Path) -> None:
    """Its logits reach eight million; those of the others are a few units."""
    report = convert(go_json.read(path)).accuracy
    assert report is not None
    assert (path.stem == "rps_h256_policy") == report.ill_conditioned
