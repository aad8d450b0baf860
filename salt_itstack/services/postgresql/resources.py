"""What we manage of PostgreSQL, field by field."""

from __future__ import annotations

from typing import Any

from ...reconcile import Field, Resource, unordered


def limit(value: Any) -> int:
    """A connection limit; -1 is none, which is the server's default."""
    return -1 if value is None else int(value)


def rights(value: Any) -> dict[str, list[str]]:
    """Who may do what; neither side keeps an order."""
    return {who: sorted(what) for who, what in (value or {}).items()}


def name(value: Any) -> Any:
    """An encoding's name: UTF8, utf-8 and UTF_8 are one."""
    return None if value is None else "".join(letter for letter in str(value).upper() if letter.isalnum())


#: ``expires`` is what VALID UNTIL comes to: a role of an application doesn't.
ROLE = Resource(
    kind="role",
    key="name",
    fields={
        "login": Field("login", bool),
        "password": Field("password", secret=True),
        "connection_limit": Field("connection_limit", limit),
        "member_of": Field("member_of", unordered),
        "superuser": Field("superuser", bool),
        "create_databases": Field("create_databases", bool),
        "create_roles": Field("create_roles", bool),
        "replication": Field("replication", bool),
        "bypass_row_security": Field("bypass_row_security", bool),
        "expires": Field("expires", bool),
    },
)

#: ``access`` and ``schema_access`` hold everybody's rights but the owner's; PUBLIC is everybody.
DATABASE = Resource(
    kind="database",
    key="name",
    fields={
        "owner": Field("owner"),
        "encoding": Field("encoding", name),
        "locale": Field("locale", name),
        "connection_limit": Field("connection_limit", limit),
        "access": Field("access", rights),
        "schema_owner": Field("schema_owner"),
        "schema_access": Field("schema_access", rights),
    },
)

EXTENSION = Resource(
    kind="extension",
    key="name",
    fields={"version": Field("version"), "schema": Field("schema")},
)

HBA = Resource(kind="pg_hba.conf", key="name", fields={"rules": Field("rules")})

#: Fixed when a database is made.
UNCHANGEABLE = ("encoding", "locale")
#: The owner of schema public from version 14 on: whoever owns the database.
SCHEMA_OWNER = "pg_database_owner"
#: What everybody may do in schema public: name its objects, but make none.
SCHEMA_ACCESS = {"PUBLIC": ["USAGE"]}
DATABASE_RIGHTS = ("CONNECT", "CREATE", "TEMPORARY")
#: Databases that belong to the server.
OWN_DATABASES = frozenset({"postgres", "template0", "template1"})
