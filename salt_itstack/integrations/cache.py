"""An ACL user and a key space of its own for an application."""

from __future__ import annotations

from typing import Any

from ..errors import ItstackError
from ..stack import Integration, Stack
from .probing import Idle, Request, readiness


def values(stack: Stack, integration: Integration) -> dict[str, Any]:
    """Server, ACL user, database index and the rights of the user."""
    return {
        "host": stack.fqdn(integration.source),
        "port": stack.services[integration.source].ports["redis"],
        "user": integration.settings["user"],
        "password": f"secret://{integration.id}",
        "database": integration.settings["index"],
        "prefix": integration.settings["prefix"],
    }


def probe(request: Request) -> str:
    """
    Prove that the application's user can use its key space and may not administrate the server.

    Then that the application itself answers a request that goes through its cache.
    """
    from ..services.redis.probe import probe_key_space

    own = request.values
    probe_key_space(
        host=own["host"],
        port=own["port"],
        user=own["user"],
        password=own["password"],
        database=own["database"],
        prefix=own["prefix"],
    )
    try:
        answer = readiness(request.target)
    except ItstackError as error:
        raise Idle(
            f"the user {own['user']} can use its key space, but the application isn't ready ({error})",
            request.target["service"],
        ) from None
    return f"{own['user']} wrote, read and deleted a key, administration is refused, {answer} is ready"
