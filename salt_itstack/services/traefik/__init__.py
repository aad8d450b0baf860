"""Traefik: documents of its file provider, and what the running server says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import ItstackError, Unreachable
from ...http import Session
from .api import SERVICE, Traefik


def readiness(facts: Mapping[str, Any]) -> str:
    """
    What answers, such as ``Traefik 3.7.15``, once it serves without a route in error.

    facts
        ``settings`` with ``api_address``, and ``ports`` with ``dashboard``.

    Raises :class:`Unreachable` with the reason. ``/ping`` says only that the process runs.
    """
    api = facts["settings"]["api_address"]
    address = f"http://{api}:{facts['ports']['dashboard']}"
    server = Traefik({"url": address}, patience=(2.0, 5.0), retries=0)
    try:
        version = server.read_version()
        server.read_overview()
    except Unreachable:
        if not api.startswith("127."):
            raise
        # From another machine its loopback can't be asked; that it serves shows at its own door.
        _knock(facts)
        return SERVICE
    except ItstackError as error:
        raise Unreachable(f"it isn't usable ({error})", SERVICE) from None
    finally:
        server.close()
    return f"Traefik {version}"


def _knock(facts: Mapping[str, Any]) -> None:
    """Raise :class:`Unreachable` unless something answers HTTP where people come in."""
    door = f"http://{facts['address']}:{facts['ports']['http']}"
    http = Session(door, SERVICE, timeout=(2.0, 5.0), retries=0)
    try:
        # Whatever it says to a stranger: a redirect, or that it knows no such host.
        http.get("/", accept=range(300, 600))
    finally:
        http.close()
