"""Settings for the processes that tests start."""

import os


def pytest_configure() -> None:
    """
    Let pytest processes that a test starts measure, also if the test itself runs in a worker of pytest-xdist.

    pytest-benchmark disables itself in every process that inherits this variable.
    """
    os.environ.pop("PYTEST_XDIST_WORKER", None)
