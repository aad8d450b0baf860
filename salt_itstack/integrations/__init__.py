"""
One module for each kind of integration: what its two ends need to know, and the probe through both.

``values(stack, integration)`` is what both ends share, made on the master from the map; a secret in it is a
reference, never the secret. ``probe(request)`` runs on the minion of the consuming end, with the references
opened, and returns what it proved; it raises an :class:`~salt_itstack.errors.ItstackError` that says which
hop failed. Where the source can be made to say something, ``speak(values, text, mark, channel)`` does it.

A kind whose drift is cheap to find may offer ``drift(request)`` as well: what isn't as declared at the end
that ``DRIFT_SIDE`` names (``source`` if it names none), with fresh reads, as the states of that end would
report it; empty where all is well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from ..stack import Stack
from . import cache, database, ingress, ldap, oidc, webhook
from .probing import Request

KINDS: dict[str, ModuleType] = {
    "cache": cache,
    "database": database,
    "ingress": ingress,
    "ldap": ldap,
    "oidc": oidc,
    "webhook": webhook,
}


def drift_of(kind: str, side: str) -> Callable[[Request], Mapping[str, Any]] | None:
    """What finds drift at that end of an integration of this kind, if it has that."""
    module = KINDS.get(kind)
    if module is None or getattr(module, "DRIFT_SIDE", "source") != side:
        return None
    return getattr(module, "drift", None)


def values(stack: Stack, integration: str) -> dict[str, Any]:
    """What both ends of an integration share: addresses, object names, references to secrets."""
    return dict(KINDS[stack.integrations[integration].kind].values(stack, stack.integrations[integration]))
