"""What a dry run of a minion's highstate says about the integrations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def drifted(highstate: Any, integrations: Iterable[str]) -> dict[str, str]:
    """
    Integrations whose states would change something, with what it is.

    highstate
        Return of ``state.highstate test=True`` of one minion.
    integrations
        Ids to look for. A state belongs to the integration that its id begins with, before the colon.

    Returns a reason by integration id. A dry run that couldn't be made says nothing of any integration.
    """
    known = set(integrations)
    found: dict[str, list[str]] = {}
    if not isinstance(highstate, Mapping):
        return {}
    for state in highstate.values():
        if not isinstance(state, Mapping):
            continue
        identifier = str(state.get("__id__", "")).split(":", 1)[0]
        if identifier in known and state.get("result") is None:
            fields = ", ".join(sorted(state.get("changes") or {}))
            found.setdefault(identifier, []).append(f"{state['__id__']} ({fields})")
    return {identifier: f"differs from the map: {'; '.join(parts)}" for identifier, parts in found.items()}


def failed(highstate: Any) -> str:
    """Why a dry run couldn't be made, or an empty text."""
    if isinstance(highstate, Mapping):
        return ""
    if isinstance(highstate, list):
        return "; ".join(str(line) for line in highstate)
    return str(highstate or "no answer")
