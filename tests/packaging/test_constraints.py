"""constraints.txt pins every installed package, so that two clones of one commit use the same libraries."""

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
# These two packages need no pin: runoff is installed from the checkout, and venv puts pip into each environment.
NOT_PINNED = {"pip", "runoff"}


def pins() -> dict[str, str]:
    """Return the pinned version of each package in constraints.txt; fail if a line is not an exact pin."""
    requirements = [
        Requirement(line)
        for line in (CHECKOUT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert {"=="} == {specifier.operator for each in requirements for specifier in each.specifier}
    return {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in requirements}


def direct_requirements() -> Iterator[str]:
    """Yield the name of each package that pyproject.toml requires."""
    settings = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    project = settings["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for group in [*groups, *settings["dependency-groups"].values()]:
        yield from (canonicalize_name(Requirement(each).name) for each in group)


def test_every_direct_requirement_is_pinned() -> None:
    """A dependency without a pin could have a different version in each clone, so timings would not be comparable."""
    assert set() == set(direct_requirements()) - set(pins()) - NOT_PINNED


@pytest.mark.skipif(
    not Path(sys.prefix).is_relative_to(CHECKOUT / ".tox"),
    reason="needs an environment that run_tests.sh created",
)
def test_every_installed_version_is_the_pinned_one() -> None:
    """Dependencies of dependencies influence timings too, so every installed package must have its pinned version."""
    # Compare versions without local parts such as +cpu: 2.13.0+cpu is one of several builds of version 2.13.0.
    installed = {canonicalize_name(each.name): Version(each.version).public for each in metadata.distributions()}
    differs = {name: version for name, version in installed.items() if pins().get(name) != version}
    assert set() == set(differs) - NOT_PINNED
