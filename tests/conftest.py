"""What all tests share: which of them stay together where they run in two processes."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_itemcollected(item):
    # Servers are started once for all tests of a folder, and most tests of the lab share one.
    path = Path(item.path).relative_to(HERE)
    alone = path.name == "test_lab_runtime.py"
    item.add_marker(pytest.mark.xdist_group(path.stem if alone else path.parts[0]))
