"""The location of the cache folder, which contains only files that runoff can create again."""

from pathlib import Path

import pytest

from runoff.files.cache_folder import CACHE_DIR_VARIABLE, cache_folder


def test_environment_variable_names_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """CI systems preserve only certain folders between jobs, so users must be able to choose the cache folder."""
    monkeypatch.setenv(CACHE_DIR_VARIABLE, str(tmp_path / "mine"))
    assert tmp_path / "mine" == cache_folder()


def test_default_folder_is_in_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default cache folder must not be inside the working folder, where it would clutter the user's project."""
    monkeypatch.delenv(CACHE_DIR_VARIABLE, raising=False)
    assert "runoff" == cache_folder().name
    assert cache_folder().is_absolute()
