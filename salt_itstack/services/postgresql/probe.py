"""Proof that an application can work on its database, and that nobody else can."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable
from typing import Any

from ...errors import Denied, ItstackError, Rejected
from .session import SERVICE, connect, explained
from .wire import first_answer

_INTRUDERS = """
    SELECT rolname FROM pg_roles
    WHERE rolcanlogin AND NOT rolsuper AND rolname <> current_user AND rolname <> ALL(%s)
      AND has_database_privilege(oid, current_database(), 'CONNECT')
    ORDER BY 1
"""
_NEIGHBOURS = """
    SELECT datname AS name, has_database_privilege(oid, 'CONNECT') AS open
    FROM pg_database WHERE datname = ANY(%s) ORDER BY 1
"""
_SESSIONS = """
    SELECT application_name AS name, count(*) AS sessions FROM pg_stat_activity
    WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()
    GROUP BY 1 ORDER BY 1
"""


def probe_database(
    host: str,
    port: int,
    database: str,
    role: str,
    password: str,
    neighbours: Iterable[str] = (),
    allowed: Iterable[str] = (),
    sslmode: str | None = None,
    ca: str | None = None,
) -> dict[str, Any]:
    """
    Use a database as its application does: over the network, as its role, past the real pg_hba.conf.

    neighbours
        Databases of other applications, into which this role must not get.
    allowed
        Other roles that may connect to this database, such as a monitoring account.

    Returns ``version``, ``encrypted``, ``refused`` (the neighbours that were tried), ``sessions`` (the
    application's own, counted) and ``applications`` (the same by name). Leaves no trace.
    Raises an :class:`ItstackError` that says what doesn't hold.
    """
    with (
        contextlib.closing(connect(host, port, role, password, database, sslmode, ca)) as session,
        explained(),
    ):
        if session.execute("SELECT pg_is_in_recovery() AS standby").fetchone()["standby"]:
            raise Rejected(
                f"{host}:{port} is a standby, it takes no writes",
                SERVICE,
                "point the map at the primary server",
            )
        _write(session, database, role)
        intruders = [row["rolname"] for row in session.execute(_INTRUDERS, [list(allowed)])]
        if intruders:
            raise Rejected(
                f"the database {database} is open to {', '.join(intruders)} as well",
                SERVICE,
                "run the states of the database server, which close it to everybody but its owner",
            )
        found = session.execute(_NEIGHBOURS, [list(neighbours)]).fetchall()
        for row in found:
            _refused(host, port, role, password, row, sslmode, ca)
        # Counted after the refusals, and only this database's, so that our own tries aren't among them.
        applications = {row["name"]: row["sessions"] for row in session.execute(_SESSIONS)}
        return {
            "version": session.info.parameter_status("server_version"),
            "encrypted": session.pgconn.ssl_in_use,
            "refused": [row["name"] for row in found],
            "sessions": sum(applications.values()),
            "applications": applications,
        }


def _write(session: Any, database: str, role: str) -> None:
    table = f"itstack_probe_{uuid.uuid4().hex}"
    try:
        with explained(), session.transaction(force_rollback=True):
            session.execute(f"CREATE TABLE public.{table} (word text)")
            session.execute(f"INSERT INTO public.{table} VALUES ('proof')")
            row = session.execute(f"SELECT word FROM public.{table}").fetchone()
    except Denied as error:
        raise Denied(
            f"{role} can't write the database {database} ({error})",
            SERVICE,
            "run the states of the database server, which make it the database's owner",
        ) from None
    if row != {"word": "proof"}:
        raise Rejected(f"a row that {role} wrote to {database} didn't come back", SERVICE)


def _refused(
    host: str, port: int, role: str, password: str, neighbour: Any, sslmode: str | None, ca: str | None
) -> None:
    name = neighbour["name"]
    try:
        connect(host, port, role, password, name, sslmode, ca).close()
    except Denied as error:
        # The login was refused; for the right reason? Either no line of pg_hba.conf lets it in (the server
        # says so before it asks for a password), or the right to connect is missing.
        if first_answer(host, port, role, name) == "28000" or not neighbour["open"]:
            return
        raise ItstackError(f"whether {role} may connect to {name} stays unknown ({error})", SERVICE) from None
    raise Rejected(
        f"{role} could connect to the database {name} of another application",
        SERVICE,
        f"run the states of the database server, which close {name} to everybody but its owner",
    )
