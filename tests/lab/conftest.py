"""One deployed lab for all tests of this folder: brought up from nothing, once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fleet import Fleet

from salt_itstack.lab.specifications import ADMINISTRATOR_SECRET


class Deployed(Fleet):
    """A deployed lab, with what its dry run predicted and its first run did."""

    predicted: dict[str, dict[str, Any]]
    first: dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The whole lab, deployed from nothing after a dry run."""
    if os.geteuid() != 0:
        pytest.fail("the lab needs root. Remedy: run the tests as root on a throw-away machine")
    fleet = Deployed("127.0.60", tmp_path_factory.mktemp("lab") / "state")
    try:
        fleet.command("up", "--no-deploy")
        # What tests break by hand has to stay broken until they look; those of repairs switch them on.
        fleet.periods(enforce=None, beacon=None)
        # As a person does who ran FreeIPA's installer; `./lab up` does it right before the deploy.
        answer, code = fleet.runner("itstack.secret_import", "freeipa-admin", f"path={ADMINISTRATOR_SECRET}")
        assert code == 0, answer
        fleet.predicted = fleet.orchestrate(test=True)
        fleet.first = fleet.orchestrate()
        yield fleet
    finally:
        fleet.command("reset", check=False)
