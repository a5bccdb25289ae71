"""How the gate builds the baseline's pytest command, and when two checkouts can share one environment."""

from pathlib import Path

import pytest

from runoff.gate.baseline import environment
from runoff.gate.baseline.side import Invocation, Side, relocate_invocation

CANDIDATE, BASELINE = Path("/candidate"), Path("/baseline")


def invoke(*arguments: str, positional: tuple[str, ...] = (), folder: Path = CANDIDATE) -> Invocation:
    """Return a pytest command that runs in the candidate's checkout."""
    return Invocation(arguments, positional, folder, root=CANDIDATE, tree=CANDIDATE)


def side_in(folder: Path, *arguments: str, positional: tuple[str, ...] = ()) -> Side:
    """Return a side whose working directory, rootdir and checkout are the same folder."""
    return Side("baseline", "x", "python", Invocation(arguments, positional, folder, folder, folder))


def test_working_directory_and_rootdir_are_relocated() -> None:
    """pytest resolves paths relative to its working directory, so the baseline must start in the same subfolder."""
    relocated = relocate_invocation(invoke(folder=CANDIDATE / "benchmarks"), BASELINE)
    assert (BASELINE / "benchmarks", BASELINE) == (relocated.folder, relocated.root)


def test_absolute_paths_of_tests_are_relocated_and_other_values_are_not() -> None:
    """The baseline must run the tests of its own checkout, but load the same model file as the candidate."""
    test = "/candidate/tests::test_a"
    arguments = (test, "-c", "/candidate/pytest.ini", "--rootdir=/candidate", "--model=/candidate/x.model")
    expected = (
        "/baseline/tests::test_a",
        "-c",
        "/baseline/pytest.ini",
        "--rootdir=/baseline",
        "--model=/candidate/x.model",
    )
    assert expected == relocate_invocation(invoke(*arguments, positional=(test,)), BASELINE).arguments


def test_relative_file_that_only_the_candidate_has_is_made_absolute(tmp_path: Path) -> None:
    """If new.model is not committed, the baseline's checkout lacks it, so `--model new.model` would fail there."""
    new = tmp_path / "new"
    new.mkdir()
    (new / "x.model").touch()
    invocation = Invocation(("--model", "x.model", "-k", "x"), (), new, new, new)
    expected = ("--model", str(new / "x.model"), "-k", "x")
    assert expected == relocate_invocation(invocation, tmp_path / "old").arguments


def test_tests_precede_options_that_take_many_values(tmp_path: Path) -> None:
    """In `--model a b tests`, pytest would read `tests` as a third model, so the test paths must come first."""
    (tmp_path / "tests").mkdir()
    command = side_in(tmp_path, "tests", "--model", "a", positional=("tests",)).command([])
    assert command.index("tests") < command.index("--model")


def test_files_that_the_side_lacks_are_left_out(tmp_path: Path) -> None:
    """pytest runs no test at all if its command names a missing file, so the gate must leave that file out."""
    (tmp_path / "test_a.py").touch()
    command = side_in(tmp_path).command(["test_a.py", "test_b.py"])
    assert str(tmp_path / "test_a.py") in command
    assert str(tmp_path / "test_b.py") not in command


PYPROJECT = '[project]\nname = "thing"\nversion = "{version}"\ndependencies = ["numpy{pin}"]\n'


@pytest.mark.parametrize(
    ("version", "pin", "constraint", "same"),
    [
        pytest.param("2", "", "numpy==1\n", True, id="another-version-of-itself"),
        pytest.param("1", ">1", "numpy==1\n", False, id="another-requirement"),
        pytest.param("1", "", "numpy==2\n", False, id="another-pin"),
    ],
)
def test_only_checkouts_with_the_same_requirements_share_an_environment(
    tmp_path: Path, version: str, pin: str, constraint: str, same: bool
) -> None:
    """A slowdown caused by a changed requirement is visible only if each side runs with its own packages."""
    for name, project, pins in (("old", ("1", ""), "numpy==1\n"), ("new", (version, pin), constraint)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_text(PYPROJECT.format(version=project[0], pin=project[1]))
        (tmp_path / name / "constraints.txt").write_text(pins)
    old, new = (environment.declared_packages(tmp_path / name) for name in ("old", "new"))
    assert same is (old == new)
