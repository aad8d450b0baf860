"""What all tests share: which of them stay together where they run on both cores."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    # Servers are started once for all tests of a folder, and most tests of the lab share one.
    for item in items:
        path = Path(item.path).relative_to(HERE)
        alone = path.name == "test_lab_runtime.py"
        item.add_marker(pytest.mark.xdist_group(path.stem if alone else path.parts[0]))
