"""PostgreSQL: roles, databases, extensions, and who may come from where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .wire import first_answer

SERVICE = "PostgreSQL"


def readiness(facts: Mapping[str, Any]) -> str:
    """
    What answers at the service's address; needs neither a login nor the database library.

    facts
        ``address`` and ``ports`` of the service, as the map gives them.

    Raises :class:`~salt_itstack.errors.Unreachable` while the server doesn't take sessions. A refusal of the
    made-up account that asks is an answer: the server is there.
    """
    first_answer(facts["address"], int(facts["ports"]["postgresql"]), "itstack_readiness", "postgres")
    return SERVICE
