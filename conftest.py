"""The suite's options and wiring; what they do lives in `fixtures/`."""

import pytest

from fixtures.cases import case_parameters
from fixtures.suite_options import OPTIONS, add_options, options_or_usage_error

pytest_plugins = ["fixtures.converted_models", "fixtures.open_backends"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the perf suite's options."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Check the options before anything runs."""
    config.stash[OPTIONS] = options_or_usage_error(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each case."""
    if {"backend", "model", "batch_size"} <= set(metafunc.fixturenames):
        metafunc.parametrize(("backend", "model", "batch_size"), case_parameters(metafunc.config.stash[OPTIONS]))


def pytest_runtestloop(session: pytest.Session) -> None:
    """Read every model of the run before the first case is timed."""
    calls = [item.callspec for item in session.items if hasattr(item, "callspec")]
    names = {call.params["model"] for call in calls if "model" in call.params and "backend" in call.params}
    if names and not session.config.option.collectonly:
        from fixtures.converted_models import check_models
        from fixtures.open_backends import check_remotes

        check_models(session.config.stash[OPTIONS], names)
        check_remotes(session.config.stash[OPTIONS])
