"""What all tests share: which of them stay together where they run in two processes."""

from pathlib import PurePath

import pytest
from xdist.scheduler import LoadScopeScheduling


class ByFolder(LoadScopeScheduling):
    """Servers are started once for all tests of a folder, and most tests of the lab share one."""

    def _split_scope(self, nodeid):
        path = PurePath(nodeid.partition("::")[0])
        return path.stem if path.name == "test_lab_runtime.py" else path.parts[1]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return ByFolder(config, log)
