"""
Sessions with a PostgreSQL server: getting in, and what goes wrong in words.

What fails is told by SQLSTATE, which doesn't depend on the server's language, and never with the statement
that was sent.
Source: postgresql.org, "Database Connection Control Functions", "PostgreSQL Error Codes".
"""

from __future__ import annotations

import contextlib
import difflib
import os
import pwd
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import (
    Conflict,
    Denied,
    Invalid,
    ItstackError,
    Missing,
    Problem,
    Rejected,
    Unreachable,
    Unsupported,
)
from .wire import first_answer

try:
    import psycopg
    from psycopg import sql
    from psycopg.rows import dict_row
except ImportError:
    psycopg = sql = None  # type: ignore[assignment]

SERVICE = "PostgreSQL"
SOCKET_FOLDER = "/var/run/postgresql"
DEFAULTS: dict[str, Any] = {
    "host": SOCKET_FOLDER,
    "port": 5432,
    "user": "postgres",
    "password": None,
    "database": "postgres",
    "os_user": None,
    "sslmode": None,
    "ca": None,
}
CONNECT_SECONDS = 5


class Server:
    """
    One server, as its administrator.

    profile
        ``host`` (an address, or the folder of the Unix socket), ``port``, ``user``, ``password``,
        ``database``, ``os_user`` (with a socket: the system's account that logs in by ``peer``), ``sslmode``,
        ``ca``. Everything has Debian's default.

    Raises :class:`Invalid` for unknown keys, :class:`Unsupported` without the client library.
    """

    def __init__(self, profile: Mapping[str, Any]) -> None:
        needs_library()
        problems = []
        for key in profile:
            if key not in DEFAULTS:
                near = difflib.get_close_matches(str(key), DEFAULTS, 1)
                remedy = f"did you mean {near[0]}?" if near else f"one of {', '.join(DEFAULTS)}"
                problems.append(Problem("", key, None, "a PostgreSQL profile has no such key", remedy))
        if problems:
            raise Invalid(problems)
        self.profile = {**DEFAULTS, **{key: value for key, value in profile.items() if value is not None}}

    @property
    def address(self) -> tuple[str, int]:
        """Host and port: which server this is."""
        return str(self.profile["host"]), int(self.profile["port"])

    @contextlib.contextmanager
    def session(self, database: str = "", autocommit: bool = True) -> Iterator[Any]:
        """
        A session in a database (the profile's by default), closed at the end.

        autocommit
            Each statement for itself; otherwise all of them are one transaction.
        """
        host, port = self.address
        with self._as_system_user(host):
            connection = connect(
                host=host,
                port=port,
                user=self.profile["user"],
                password=self.profile["password"],
                database=database or self.profile["database"],
                sslmode=self.profile["sslmode"],
                ca=self.profile["ca"],
            )
        with explained(), contextlib.closing(connection):
            connection.autocommit = autocommit
            if not autocommit:
                with connection.transaction():
                    yield connection
            else:
                yield connection

    @contextlib.contextmanager
    def _as_system_user(self, host: str) -> Iterator[None]:
        # A `peer` login is decided by the effective user at the moment of connecting, and by nothing later.
        # That user is the whole process's, so nothing else happens in between.
        name = self.profile["os_user"]
        if not name and self.profile["password"] is None and self.profile["user"] == "postgres":
            name = "postgres"
        if not name or not host.startswith("/") or os.geteuid() != 0:
            yield
            return
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            # Without its account there can't be a server either, which is what the caller has to know.
            raise Unreachable(
                f"there is no system account {name} to log in as",
                SERVICE,
                "install the server, or correct `os_user`",
            ) from None
        os.seteuid(account.pw_uid)
        try:
            yield
        finally:
            os.seteuid(0)


def needs_library() -> None:
    """Raise :class:`Unsupported` with the remedy where the client library isn't installed."""
    if psycopg is None:
        raise Unsupported(
            "the Python library psycopg isn't installed where this runs",
            SERVICE,
            "salt-pip install 'salt-itstack[postgresql]'",
        )


def connect(
    host: str,
    port: int,
    user: str,
    password: str | None,
    database: str,
    sslmode: str | None = None,
    ca: str | None = None,
) -> Any:
    """
    Open a session with rows as dictionaries; each statement for itself.

    Raises :class:`Unreachable` where no sessions are taken, :class:`Denied` where this one is refused.
    """
    needs_library()
    settings: dict[str, Any] = {"sslmode": sslmode, "sslrootcert": ca, "password": password}
    try:
        return psycopg.connect(
            host=host,
            port=port,
            user=user,
            dbname=database,
            connect_timeout=CONNECT_SECONDS,
            application_name="salt-itstack",
            # What lies in somebody's home isn't this profile's. (Of a device, libpq complains on stderr.)
            passfile=f"{os.devnull}/none",
            autocommit=True,
            row_factory=dict_row,
            **{key: value for key, value in settings.items() if value is not None},
        )
    except psycopg.Error as error:
        first_answer(host, port, user, database)
        sentence = str(error).strip().splitlines()[-1].rsplit("FATAL:", 1)[-1].strip()
        raise Denied(
            f"{user} may not log in to the database {database} at {host}:{port}: {sentence}",
            SERVICE,
            "check the account and its secret, whether the database exists, and pg_hba.conf's lines for this "
            "address",
        ) from None


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn the client library's errors inside into ours."""
    try:
        yield
    except Exception as error:
        if psycopg is None or not isinstance(error, psycopg.Error):
            raise
        raise _explanation(error) from None


def _explanation(error: Any) -> ItstackError:
    state = error.sqlstate or ""
    if not state or state.startswith("08") or state in ("57P01", "57P02", "57P03", "53300"):
        return Unreachable(
            f"the session ended while we worked ({state or 'connection lost'})",
            SERVICE,
            "start the server again",
        )
    # The primary message names objects; DETAIL and CONTEXT may hold values and statements.
    message = f"{error.diag.message_primary} (SQLSTATE {state})"
    if state == "42501":
        return Denied(message, SERVICE, "let the profile's user be a superuser of this server")
    if state in ("42710", "42P04", "42P06", "2BP01", "55006"):
        return Conflict(message, SERVICE, "remove or rename what is in the way, then run this again")
    if state in ("3D000", "42704", "3F000"):
        return Missing(message, SERVICE, "declare it before what needs it, or correct its name")
    return Rejected(message, SERVICE)
