"""Which files a user means: each once, each with a name of its own, or an error before anything runs."""

from pathlib import Path

import pytest

from runoff.errors import ModelError
from runoff.models.model_files import find, name_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.model", "a.model", "notes.txt"):
        (tmp_path / name).write_text("")
    return tmp_path


def test_folder_means_its_model_files_in_order(folder: Path) -> None:
    """What else lies in a folder is nobody's model."""
    assert [("a", folder / "a.model"), ("b", folder / "b.model")] == list(find([str(folder)]).items())


def test_glob_means_its_matches_in_order(folder: Path) -> None:
    """On Windows, and within quotes, no shell expands it."""
    assert ["a", "b"] == list(find([str(folder / "*.model")]))


def test_files_keep_the_order_in_which_they_are_named(folder: Path) -> None:
    """The first is the one a table starts with."""
    assert ["b", "a"] == list(find([str(folder / "b.model"), str(folder / "a.model")]))


def test_file_of_any_suffix_can_be_named(folder: Path) -> None:
    """The suffix is a habit, not a rule."""
    assert ["notes"] == list(find([str(folder / "notes.txt")]))


def test_file_whose_name_looks_like_a_glob_is_a_file(folder: Path) -> None:
    """What exists is meant."""
    (folder / "c[1].model").write_text("")
    assert ["c_1_"] == list(find([str(folder / "c[1].model")]))


def test_no_models_are_an_error() -> None:
    """An empty benchmark that succeeds deceives CI."""
    with pytest.raises(ModelError, match=r"no models: name at least one \.model file"):
        find([])


def test_folder_without_models_is_an_error(tmp_path: Path) -> None:
    """Most likely a wrong folder."""
    with pytest.raises(ModelError, match=r"a folder without \.model files"):
        find([str(tmp_path)])


def test_glob_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    """Most likely a mistyped one."""
    with pytest.raises(ModelError, match="the glob matches nothing"):
        find([str(tmp_path / "*.model")])


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    """By its path."""
    with pytest.raises(ModelError, match=r"gone\.model: no such file or folder"):
        find([str(tmp_path / "gone.model")])


@pytest.mark.parametrize("other", ["a.model", "./a.model", "sub/../a.model", "link.model"])
def test_same_file_twice_is_an_error(folder: Path, other: str) -> None:
    """It would be converted, timed and reported twice, whatever it is called the second time."""
    (folder / "sub").mkdir()
    (folder / "link.model").symlink_to(folder / "a.model")
    with pytest.raises(ModelError, match="the same file is named twice"):
        find([str(folder / "a.model"), f"{folder}/{other}"])


@pytest.mark.parametrize("other", ["sub/a.model", "a.json", "sub/a.json"])
def test_two_files_of_one_name_are_an_error(folder: Path, other: str) -> None:
    """Their outputs and their records would overwrite each other."""
    (folder / "sub").mkdir()
    (folder / other).write_text("")
    with pytest.raises(ModelError, match="both would be called a; rename one"):
        find([str(folder / "a.model"), str(folder / other)])


def test_names_that_differ_only_in_unsafe_characters_are_an_error(folder: Path) -> None:
    """A blank becomes an underscore in a test id and an output file."""
    for name in ("x y.model", "x_y.model"):
        (folder / name).write_text("")
    with pytest.raises(ModelError, match="both would be called x_y"):
        find([str(folder / "x y.model"), str(folder / "x_y.model")])


def test_name_is_safe_in_a_test_id_and_a_file_name() -> None:
    """Brackets end a test id, a colon ends a path's drive, a newline ends a line."""
    assert "a_b_c_d_e" == name_of(Path("dir/a[b:c d\ne.model"))
