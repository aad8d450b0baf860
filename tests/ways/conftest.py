"""Fixtures of all tests of this folder, and the servers that the tests of the services start as well."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "live"))

from database_fixtures import redis_server  # noqa: F401
from ways_fixtures import bare  # noqa: F401
