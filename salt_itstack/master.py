"""The lines that the master's configuration needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import Invalid, Problem
from .loader import folder
from .remediation.announcement import ENFORCED_TAG
from .secrets.handing import TAG as MADE_TAG

#: What Salt has where nobody says anything.
DEFAULT_ROOTS = {"base": ["/srv/salt"]}


#: What the reactor listens to, and with which SLS it answers.
REACTIONS = {
    "salt/beacon/*/itstack/*": "wrong.sls",
    ENFORCED_TAG: "enforced.sls",
    MADE_TAG: "made.sls",
}
#: The engine that takes requests for repairs from outside, with what it can be told; see its own page.
HOOK = {"itstack_hook": {"address": "127.0.0.1", "port": 4510, "certificate": None, "key": None}}


def configuration(present: Mapping[str, Any] | None = None, hook: bool = False) -> dict[str, Any]:
    """
    Master options that switch this pack on.

    present
        The options that the master has already; none before there is a master. A file in ``master.d``
        replaces the lists of the main file, so what stands in them is taken along, and ours comes last.
    hook
        Also the engine that takes requests for repairs from outside.

    Returns a dict to be written as YAML into ``/etc/salt/master.d/itstack.conf``.
    """
    present = present or {}
    pillars = list(present.get("ext_pillar") or [])
    roots = {name: list(paths) for name, paths in (present.get("file_roots") or DEFAULT_ROOTS).items()}
    base = roots.setdefault("base", [])
    base += [path for path in _shipped() if path not in base]
    engines = list(present.get("engines") or [])
    if hook and not any("itstack_hook" in engine for engine in engines):
        engines.append(HOOK)
    return {
        "itstack": {"driver": "itstack"},
        "ext_pillar": pillars if {"itstack": {}} in pillars else [*pillars, {"itstack": {}}],
        "master_tops": {**(present.get("master_tops") or {}), "itstack": True},
        "file_roots": roots,
        "reactor": _reactor(present.get("reactor") or []),
        **({"engines": engines} if hook else {}),
        # Whole pillars would lie in the master's cache for an hour; sealed, but longer than needed.
        "pillar_cache": False,
    }


def _shipped() -> list[str]:
    """
    The folders with SLS and orchestration, where this library has them.

    A synced library has none: it came through the master's file server, and they are there already.
    """
    return [str(folder(kind)) for kind in ("sls", "orchestrate") if folder(kind).is_dir()]


def _reactor(present: Any) -> list[Any]:
    """The reactor's lines with ours."""
    ours = [{tag: [_reaction(file)]} for tag, file in REACTIONS.items()]
    if isinstance(present, str):
        told = "; ".join(f"{tag}: {path}" for line in ours for tag, (path,) in line.items())
        raise Invalid(
            Problem("the master's configuration", "reactor", present, "it names a file, which isn't ours",
                    f"take the lines of that file into the configuration, or add there: {told}")
        )  # fmt: skip
    return [*present, *(line for line in ours if line not in present)]


def _reaction(file: str) -> str:
    """Where a reaction's file is: with a synced library, among the master's own files."""
    own = folder("reactor") / "itstack" / file
    return str(own) if own.is_file() else f"salt://reactor/itstack/{file}"
