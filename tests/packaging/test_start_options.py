"""The start scripts pass the user's options to pytest unchanged, and add the default tests and folders."""

from pathlib import Path

import pytest

from scripts import bootstrap

CHECKOUT = bootstrap.CHECKOUT


@pytest.fixture
def in_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the checkout the working folder during the test."""
    monkeypatch.chdir(CHECKOUT)


@pytest.mark.usefixtures("in_checkout")
def test_default_path_comes_before_the_options() -> None:
    """`--model` accepts several files, so a default test path placed after it would be read as another model."""
    assert ["tests/perf", "--model", "a", "b"] == bootstrap.pytest_arguments("benchmark", ["--model", "a", "b"])


@pytest.mark.usefixtures("in_checkout")
@pytest.mark.parametrize(
    "path", ["tests/packaging", "tests/packaging/test_start_options.py", "tests/packaging/test_start_options.py::test"]
)
def test_named_tests_replace_the_default_path(path: str) -> None:
    """If a user names a test, only that test must run, so the default path must not be added."""
    assert ["-x", path] == bootstrap.pytest_arguments("tests", ["-x", path])


@pytest.mark.usefixtures("in_checkout")
@pytest.mark.parametrize("argument", ["src", "fixtures/models/rps_h64_policy.model", "-k", "", "tests/no_such_folder"])
def test_argument_that_names_no_tests_keeps_the_default_path(argument: str) -> None:
    """A path that contains no tests, such as a model file, must not keep the script from adding the default path."""
    assert ["tests/perf", argument] == bootstrap.pytest_arguments("benchmark", [argument])


def test_model_file_in_the_tests_folder_names_no_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In `--model tests/mine.model`, the path is a model and not a test, so the whole suite must still run."""
    monkeypatch.setattr(bootstrap, "CHECKOUT", tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "mine.model").touch()
    assert not bootstrap.names_tests(str(tmp_path / "tests" / "mine.model"))


def test_start_from_another_folder_uses_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's relative paths refer to the current folder, but tests, settings and results belong to the checkout."""
    monkeypatch.chdir(tmp_path)
    assert [
        f"--config-file={CHECKOUT}/pyproject.toml",
        f"--benchmark-storage=file://{CHECKOUT}/.benchmarks",
        f"{CHECKOUT}/tests/perf",
        "--model",
        "../mine.model",
    ] == bootstrap.pytest_arguments("benchmark", ["--model", "../mine.model"])


def test_tox_settings_of_another_project_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """With another project's TOX_WORK_DIR, tox would put runoff's environments in that project's folder."""
    monkeypatch.setenv("TOX_WORK_DIR", "/elsewhere")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    variables = bootstrap.tox_variables()
    assert "TOX_WORK_DIR" not in variables
    assert variables["OMP_NUM_THREADS"] == "2"
