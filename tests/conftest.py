"""What all tests share: which of them stay together where they run on both cores."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    # Servers are started once for all tests of a folder, and there is one lab.
    for item in items:
        folder = Path(item.path).relative_to(HERE).parts[0]
        item.add_marker(pytest.mark.xdist_group(folder))
