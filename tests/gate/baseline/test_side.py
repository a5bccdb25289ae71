"""How the baseline's pytest is called in its own tree, and which environment it gets."""

from pathlib import Path

import pytest

from runoff.gate.baseline import environment
from runoff.gate.baseline.side import Invocation, Side, moved

CANDIDATE, BASELINE = Path("/candidate"), Path("/baseline")


def call(*arguments: str, positional: tuple[str, ...] = (), folder: Path = CANDIDATE) -> Invocation:
    """Make a call in the candidate's tree."""
    return Invocation(arguments, positional, folder, CANDIDATE, CANDIDATE)


def test_folders_move_with_the_tree() -> None:
    """A call from a folder below the top is one from the same folder of the other tree."""
    there = moved(call(folder=CANDIDATE / "benchmarks"), BASELINE)
    assert (BASELINE / "benchmarks", BASELINE) == (there.folder, there.root)


def test_absolute_paths_of_tests_move_and_other_values_stay() -> None:
    """The baseline runs its own tests; a model file that the user names is the same on both sides."""
    words = (
        "/candidate/tests::test_a",
        "-c",
        "/candidate/pytest.ini",
        "--rootdir=/candidate",
        "--model=/candidate/x.model",
    )
    there = moved(call(*words, positional=words[:1]), BASELINE)
    expected = (
        "/baseline/tests::test_a",
        "-c",
        "/baseline/pytest.ini",
        "--rootdir=/baseline",
        "--model=/candidate/x.model",
    )
    assert expected == there.arguments


def test_relative_file_that_only_the_candidate_has_is_still_found(tmp_path: Path) -> None:
    """`--model new.model`, untracked, run from its folder."""
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "x.model").touch()
    here = Invocation(("--model", "x.model", "-k", "x"), (), tmp_path / "new", tmp_path / "new", tmp_path / "new")
    assert ("--model", str(tmp_path / "new" / "x.model"), "-k", "x") == moved(here, tmp_path / "old").arguments


def test_tests_stand_before_options_that_take_many_values() -> None:
    """`--model a b tests` would swallow the tests."""
    side = Side("baseline", "x", "python", call("tests", "--model", "a", positional=("tests",), folder=Path.cwd()))
    words = side.command([])
    assert words.index("tests") < words.index("--model")


def test_only_files_that_the_side_has_are_named(tmp_path: Path) -> None:
    """pytest refuses to start for a file that is not there; its cases are missing, no more."""
    (tmp_path / "test_a.py").touch()
    side = Side("baseline", "x", "python", Invocation((), (), tmp_path, tmp_path, tmp_path))
    words = side.command(["test_a.py", "test_b.py"])
    assert str(tmp_path / "test_a.py") in words
    assert str(tmp_path / "test_b.py") not in words


PYPROJECT = '[project]\nname = "thing"\nversion = "{version}"\ndependencies = ["numpy{pin}"]\n'


@pytest.mark.parametrize(
    ("version", "pin", "constraint", "same"),
    [
        pytest.param("2", "", "numpy==1\n", True, id="another-version-of-itself"),
        pytest.param("1", ">1", "numpy==1\n", False, id="another-requirement"),
        pytest.param("1", "", "numpy==2\n", False, id="another-pin"),
    ],
)
def test_environment_is_shared_where_the_same_packages_are_asked_for(
    tmp_path: Path, version: str, pin: str, constraint: str, same: bool
) -> None:
    """Measuring an old revision with new packages would judge the packages."""
    for name, text, pins in (("old", ("1", ""), "numpy==1\n"), ("new", (version, pin), constraint)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_text(PYPROJECT.format(version=text[0], pin=text[1]))
        (tmp_path / name / "constraints.txt").write_text(pins)
    assert same is (environment.recipe(tmp_path / "old") == environment.recipe(tmp_path / "new"))
