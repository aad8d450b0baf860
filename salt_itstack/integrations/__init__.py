"""
One module for each kind of integration: what its two ends need to know, and the probe through both.

``values(stack, integration)`` is what both ends share, made on the master from the map; a secret in it is a
reference, never the secret. ``probe(request)`` runs on the minion of the consuming end, with the references
opened, and returns what it proved; it raises an :class:`~salt_itstack.errors.ItstackError` that says which
hop failed.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ..stack import Stack
from . import cache, database, ldap, oidc

KINDS: dict[str, ModuleType] = {"database": database, "cache": cache, "ldap": ldap, "oidc": oidc}


def values(stack: Stack, integration: str) -> dict[str, Any]:
    """What both ends of an integration share: addresses, object names, references to secrets."""
    return dict(KINDS[stack.integrations[integration].kind].values(stack, stack.integrations[integration]))
