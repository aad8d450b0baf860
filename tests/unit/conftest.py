"""Fixtures of all tests of this folder."""

import salt._logging
from core_fixtures import certificate, master, minion_keys, web  # noqa: F401


def pytest_configure():
    # Salt keeps early log records for a console that never comes here, and would print them at the end into
    # a stream that pytest has closed.
    salt._logging.shutdown_temp_handler()
