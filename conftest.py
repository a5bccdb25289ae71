"""Command-line options and pytest hooks of the perf suite; `fixtures/` contains the code that they call."""

import pytest

from fixtures.cases import case_parameters
from fixtures.option_declarations import add_options
from fixtures.suite_options import OPTIONS, options_or_usage_error

pytest_plugins = ["fixtures.converted_models", "fixtures.open_backends"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the perf suite's command-line options."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Check the options before any test is collected."""
    config.stash[OPTIONS] = options_or_usage_error(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise each test that takes the arguments backend, model and batch_size with the cases of this run."""
    if {"backend", "model", "batch_size"} <= set(metafunc.fixturenames):
        metafunc.parametrize(("backend", "model", "batch_size"), case_parameters(metafunc.config.stash[OPTIONS]))


def pytest_runtestloop(session: pytest.Session) -> None:
    """Check all models and service addresses before the first case is timed, so that a mistake is reported at once."""
    calls = [item.callspec for item in session.items if hasattr(item, "callspec")]
    names = {call.params["model"] for call in calls if "model" in call.params and "backend" in call.params}
    if names and not session.config.option.collectonly:
        from fixtures.converted_models import check_models
        from fixtures.open_backends import check_remotes

        check_models(session.config.stash[OPTIONS], names)
        check_remotes(session.config.stash[OPTIONS])
