"""What all tests share: which of them stay together where they run in two processes, and which begin."""

from pathlib import PurePath

import pytest
from xdist.scheduler import LoadScopeScheduling

#: The longest first and the shortest last, so that both processes end at about the same time.
ORDER = ("lab", "live", "keycloak", "runtime", "ways", "standalone", "unit")


def together(nodeid):
    """The name of those that run in one process: with the servers that are started once for all of them."""
    path = PurePath(nodeid.partition("::")[0])
    if path.name == "test_lab_runtime.py":
        return "runtime"
    if path.parts[1] == "live" and path.name.startswith("test_keycloak_"):
        return "keycloak"
    return path.parts[1]


class ByServers(LoadScopeScheduling):
    def _split_scope(self, nodeid):
        return together(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return ByServers(config, log)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: ORDER.index(together(item.nodeid)))
