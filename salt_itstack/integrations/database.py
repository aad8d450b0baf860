"""A database of its own for an application: nobody else can connect to it."""

from __future__ import annotations

import ipaddress
import itertools
from typing import Any

from ..errors import ItstackError
from ..stack import Integration, Stack
from .probing import Idle, Request, readiness

#: How many other databases a proof tries to enter. With all of a thousand it would take as many log-ins.
NEIGHBOURS = 12


def values(stack: Stack, integration: Integration) -> dict[str, Any]:
    """Server, database, owner role, where the application comes from, and how the way is encrypted."""
    server = stack.services[integration.source]
    tls = integration.settings["tls"]
    return {
        "host": stack.fqdn(integration.source),
        "port": server.ports["postgresql"],
        "database": integration.settings["database"],
        "role": integration.settings["owner"],
        "password": f"secret://{integration.id}",
        "client": network(stack.address(integration.target)),
        "tls": tls,
        "hba_type": "host" if tls in ("prefer", "disable") else "hostssl",
        "ca": stack.ca_file if tls == "verify-full" else None,
        "neighbours": sorted(
            itertools.islice(
                (
                    other.settings["database"]
                    for other in stack.integrations.values()
                    if other.kind == "database"
                    and other.source == integration.source
                    and other.id != integration.id
                    and stack.active(other.id)
                ),
                NEIGHBOURS,
            )
        ),
    }


def network(address: str) -> str:
    """An address as `pg_hba.conf` takes it: with its length, or the name as it is."""
    try:
        return str(ipaddress.ip_network(address))
    except ValueError:
        return address


def probe(request: Request) -> str:
    """
    Prove that the application's role can write its own database, and nobody else can even connect.

    Then that the application itself works on it: its own sessions are there, and it says that it is ready.
    """
    from ..services.postgresql.probe import probe_database

    own = request.values
    found = probe_database(
        host=own["host"],
        port=own["port"],
        database=own["database"],
        role=own["role"],
        password=own["password"],
        neighbours=own["neighbours"],
        sslmode=own["tls"],
        ca=own["ca"],
    )
    try:
        answer = readiness(request.target)
    except ItstackError as error:
        raise Idle(
            f"the role {own['role']} can write the database {own['database']}, but the application isn't "
            f"ready on it ({error})",
            request.target["service"],
        ) from None
    return (
        f"{own['role']} wrote a row and rolled it back, others are refused, "
        f"{found['sessions']} sessions of the application, {answer} is ready"
    )
