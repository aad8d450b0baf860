"""The lines that the master's configuration needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .loader import folder

#: What Salt has where nobody says anything.
DEFAULT_ROOTS = {"base": ["/srv/salt"]}


def configuration(present: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """
    Master options that switch this pack on.

    present
        The options that the master has already; none before there is a master. A file in ``master.d``
        replaces the lists of the main file, so what stands in them is taken along, and ours comes last.

    Returns a dict to be written as YAML into ``/etc/salt/master.d/itstack.conf``.
    """
    present = present or {}
    pillars = list(present.get("ext_pillar") or [])
    roots = {name: list(paths) for name, paths in (present.get("file_roots") or DEFAULT_ROOTS).items()}
    base = roots.setdefault("base", [])
    base += [path for path in (str(folder("sls")), str(folder("orchestrate"))) if path not in base]
    return {
        "itstack": {"driver": "itstack"},
        "ext_pillar": pillars if {"itstack": {}} in pillars else [*pillars, {"itstack": {}}],
        "master_tops": {**(present.get("master_tops") or {}), "itstack": True},
        "file_roots": roots,
        # Whole pillars would lie in the master's cache for an hour; sealed, but longer than needed.
        "pillar_cache": False,
    }
