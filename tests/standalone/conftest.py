"""The servers that the tests of the services start as well."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "live"))

from database_fixtures import postgresql_server, redis_server, stopped_port  # noqa: F401
