"""What a minion makes of its part of the map, through Salt's loader."""

from __future__ import annotations

import copy

import pytest
import salt.config
import salt.loader

from salt_itstack.errors import Invalid
from salt_itstack.integrations.view import view
from salt_itstack.stack import load


def modules(pillar, tmp_path, **opts):
    """Execution modules of a minion with this pillar and no master."""
    options = copy.deepcopy(salt.config.DEFAULT_MINION_OPTS)
    options.update(
        id="m", file_client="local", pillar=pillar, grains={}, root_dir=str(tmp_path),
        cachedir=str(tmp_path / "cache"), pki_dir=str(tmp_path / "pki"), extension_modules="", **opts,
    )  # fmt: skip
    return salt.loader.minion_mods(options)


def of(stack, minion, **more):
    return {"itstack": view(stack, minion), **more}


def test_an_end_that_does_not_exist_is_refused_by_name(tmp_path):
    with pytest.raises(Invalid, match=r"side \('sauce'\).*source or target"):
        modules(of(load(), "lab-db1"), tmp_path)["itstack.ends"]("redis", "sauce")
