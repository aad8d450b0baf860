"""Redis: ACL users, settings, and whether it answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .wire import first_answer

SERVICE = "Redis"


def readiness(facts: Mapping[str, Any]) -> str:
    """
    What answers at the service's address; needs neither a login nor the client library.

    facts
        ``address`` and ``ports`` of the service, as the map gives them.

    Returns ``Redis``, with the version where the server tells it without a login.
    Raises :class:`~salt_itstack.errors.Unreachable` while the server can't be used.
    """
    version = first_answer(facts["address"], int(facts["ports"]["redis"]))
    return f"{SERVICE} {version}".strip()
