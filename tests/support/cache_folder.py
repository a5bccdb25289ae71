"""A fixture for folders whose tests convert models. The conftest of each such folder imports it."""

from pathlib import Path

import pytest

from runoff.files.cache_folder import CACHE_DIR_VARIABLE


@pytest.fixture(autouse=True)
def own_cache_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for cached conversions, so that tests neither read nor write the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv(CACHE_DIR_VARIABLE, str(folder))
    return folder
