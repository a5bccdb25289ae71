"""Expansion of the user's paths, folders and globs to a list of model files with unique names."""

from pathlib import Path

import pytest

from runoff.errors import ModelError
from runoff.models.model_files import find, name_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.model", "a.model", "notes.txt"):
        (tmp_path / name).write_text("")
    return tmp_path


def test_folder_stands_for_its_model_files_in_order(folder: Path) -> None:
    """A folder of models may also contain other files, such as notes, which must be ignored."""
    assert [("a", folder / "a.model"), ("b", folder / "b.model")] == list(find([str(folder)]).items())


def test_glob_stands_for_its_matches_in_order(folder: Path) -> None:
    """The shell does not expand a glob on Windows or inside quotes, so runoff must expand it."""
    assert ["a", "b"] == list(find([str(folder / "*.model")]))


def test_files_keep_the_order_in_which_they_are_named(folder: Path) -> None:
    """Tables list the models in the order in which the user gave them, so that order must be kept."""
    assert ["b", "a"] == list(find([str(folder / "b.model"), str(folder / "a.model")]))


def test_file_with_another_suffix_is_accepted(folder: Path) -> None:
    """The suffix `.model` is only a convention, so a file that the user names explicitly is accepted without it."""
    assert ["notes"] == list(find([str(folder / "notes.txt")]))


def test_existing_file_takes_precedence_over_a_glob(folder: Path) -> None:
    """A file name may contain brackets."""
    (folder / "c[1].model").write_text("")
    assert ["c_1_"] == list(find([str(folder / "c[1].model")]))


def test_empty_list_of_paths_is_an_error() -> None:
    """A benchmark with no models would succeed in CI without measuring anything, so it must fail."""
    with pytest.raises(ModelError, match=r"no models: name at least one \.model file"):
        find([])


def test_folder_without_models_is_an_error(tmp_path: Path) -> None:
    """If a folder contains no model files, the user probably gave the wrong folder, so it must cause an error."""
    with pytest.raises(ModelError, match=r"the folder contains no \.model files"):
        find([str(tmp_path)])


def test_glob_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    """The user most likely mistyped the glob."""
    with pytest.raises(ModelError, match="the glob matches no files"):
        find([str(tmp_path / "*.model")])


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    """If a model file is missing, the error message must contain its path."""
    with pytest.raises(ModelError, match=r"gone\.model: no such file or folder"):
        find([str(tmp_path / "gone.model")])


@pytest.mark.parametrize("other", ["a.model", "./a.model", "sub/../a.model", "link.model"])
def test_same_file_twice_is_an_error(folder: Path, other: str) -> None:
    """A model given twice would be timed twice, so it must be rejected, even if the second path is a symbolic link."""
    (folder / "sub").mkdir()
    (folder / "link.model").symlink_to(folder / "a.model")
    with pytest.raises(ModelError, match="the same file is named twice"):
        find([str(folder / "a.model"), f"{folder}/{other}"])


@pytest.mark.parametrize("other", ["sub/a.model", "a.json", "sub/a.json"])
def test_two_files_of_one_name_are_an_error(folder: Path, other: str) -> None:
    """If two models had the same name, their ONNX files and records would overwrite each other."""
    (folder / "sub").mkdir()
    (folder / other).write_text("")
    with pytest.raises(ModelError, match="both would be called a; rename one"):
        find([str(folder / "a.model"), str(folder / other)])


def test_names_that_differ_only_in_unsafe_characters_are_an_error(folder: Path) -> None:
    """Spaces in model names become underscores, so `x y` and `x_y` would share a name and must be rejected."""
    for name in ("x y.model", "x_y.model"):
        (folder / name).write_text("")
    with pytest.raises(ModelError, match="both would be called x_y"):
        find([str(folder / "x y.model"), str(folder / "x_y.model")])


def test_name_is_safe_in_a_test_id_and_a_file_name() -> None:
    """Brackets, colons and newlines are special in test ids, Windows paths and log lines, so they are replaced."""
    assert "a_b_c_d_e" == name_of(Path("dir/a[b:c d\ne.model"))
