"""Environment settings for the processes that tests start."""

import os


def pytest_configure() -> None:
    """
    Allow the pytest processes that a test starts to measure, even if the test runs in a worker of pytest-xdist.

    pytest-benchmark disables itself in every process that inherits the variable PYTEST_XDIST_WORKER.
    """
    os.environ.pop("PYTEST_XDIST_WORKER", None)
