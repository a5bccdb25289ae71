"""What the start scripts hand to pytest: the user's words as they are, and what those words leave open."""

from pathlib import Path

import pytest

from scripts import bootstrap

CHECKOUT = bootstrap.CHECKOUT


@pytest.fixture
def in_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test run in the checkout, whatever folder pytest was started in."""
    monkeypatch.chdir(CHECKOUT)


@pytest.mark.usefixtures("in_checkout")
def test_default_path_comes_before_the_options() -> None:
    """`--model` takes any number of files: a path after it would be taken for one more."""
    assert ["tests/perf", "--model", "a", "b"] == bootstrap.pytest_arguments("benchmark", ["--model", "a", "b"])


@pytest.mark.usefixtures("in_checkout")
@pytest.mark.parametrize(
    "path", ["tests/packaging", "tests/packaging/test_start_options.py", "tests/packaging/test_start_options.py::test"]
)
def test_named_tests_replace_the_default_path(path: str) -> None:
    """Who names a test does not want all the others besides."""
    assert ["-x", path] == bootstrap.pytest_arguments("tests", ["-x", path])


@pytest.mark.usefixtures("in_checkout")
@pytest.mark.parametrize("word", ["src", "fixtures/models/rps_h64_policy.model", "-k", "", "tests/no_such_folder"])
def test_words_that_name_no_tests_keep_the_default_path(word: str) -> None:
    """A model file or a folder for results must not turn the suite off."""
    assert ["tests/perf", word] == bootstrap.pytest_arguments("benchmark", [word])


def test_file_among_the_tests_that_is_no_module_names_no_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--model tests/mine.model` says what to run the suite on, not what to run."""
    monkeypatch.setattr(bootstrap, "CHECKOUT", tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "mine.model").touch()
    assert not bootstrap.names_tests(str(tmp_path / "tests" / "mine.model"))


def test_start_from_elsewhere_names_the_checkout_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths are then the caller's, while suite, settings and history remain the checkout's."""
    monkeypatch.chdir(tmp_path)
    assert [
        f"--config-file={CHECKOUT}/pyproject.toml",
        f"--benchmark-storage=file://{CHECKOUT}/.benchmarks",
        f"{CHECKOUT}/tests/perf",
        "--model",
        "../mine.model",
    ] == bootstrap.pytest_arguments("benchmark", ["--model", "../mine.model"])


def test_settings_of_an_outer_tox_do_not_reach_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """With TOX_WORK_DIR of another project, tox would build our environments there."""
    monkeypatch.setenv("TOX_WORK_DIR", "/elsewhere")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    variables = bootstrap.tox_variables()
    assert "TOX_WORK_DIR" not in variables
    assert variables["OMP_NUM_THREADS"] == "2"
