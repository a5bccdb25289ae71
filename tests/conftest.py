"""Environment variables for the processes that tests start."""

import os


def pytest_configure() -> None:
    """
    Let pytest processes started by a test run pytest-benchmark, even if the test runs in a pytest-xdist worker.

    pytest-benchmark disables itself in every process that inherits the variable PYTEST_XDIST_WORKER.
    """
    os.environ.pop("PYTEST_XDIST_WORKER", None)
