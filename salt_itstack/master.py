"""The lines that the master's configuration needs."""

from __future__ import annotations

import pathlib
from typing import Any

from .loader import folder


def configuration(states: str | None = None) -> dict[str, Any]:
    """
    Master options that switch this pack on.

    states
        A file root of the user's own to keep beside ours; the master's default root by default.

    Returns a dict to be written as YAML into ``/etc/salt/master.d/itstack.conf``.
    """
    return {
        "itstack": {"driver": "itstack"},
        "ext_pillar": [{"itstack": {}}],
        "master_tops": {"itstack": True},
        "file_roots": {
            "base": [str(pathlib.Path(states or "/srv/salt")), str(folder("sls")), str(folder("orchestrate"))]
        },
        # Whole pillars would lie in the master's cache for an hour; sealed, but longer than needed.
        "pillar_cache": False,
    }
