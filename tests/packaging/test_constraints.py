"""That constraints.txt pins all of what is installed, so that two clones of one commit run the same libraries."""

import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

CHECKOUT = Path(__file__).resolve().parents[2]
# runoff is what the pins are for; pip comes with the environment and installs the pinned ones.
NOT_PINNED = {"pip", "runoff"}


def pins() -> dict[str, str]:
    """Return the pinned version of each name; refuses a line that is no exact pin."""
    requirements = [
        Requirement(line)
        for line in (CHECKOUT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert {"=="} == {specifier.operator for each in requirements for specifier in each.specifier}
    return {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in requirements}


def direct_requirements() -> Iterator[str]:
    """Yield the name of everything that pyproject.toml asks for."""
    settings = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    project = settings["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for group in [*groups, *settings["dependency-groups"].values()]:
        yield from (canonicalize_name(Requirement(each).name) for each in group)


def test_every_direct_requirement_is_pinned() -> None:
    """A new dependency without a pin is another version in each clone."""
    assert set() == set(direct_requirements()) - set(pins()) - NOT_PINNED


@pytest.mark.skipif(
    not Path(sys.prefix).is_relative_to(CHECKOUT / ".tox"), reason="not in an environment that the scripts made"
)
def test_every_installed_version_is_the_pinned_one() -> None:
    """What a dependency brings changes timings as much as what we ask for."""
    # A local part, as in 2.13.0+cpu, says how the same version was built.
    installed = {canonicalize_name(each.name): Version(each.version).public for each in metadata.distributions()}
    differs = {name: version for name, version in installed.items() if pins().get(name) != version}
    assert set() == set(differs) - NOT_PINNED
