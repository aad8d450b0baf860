"""
PostgreSQL's catalogues and commands, as far as this pack uses them: one method per question or change.

Identifiers and values are quoted by the client library.
Source: postgresql.org, "SQL Commands", "System Catalogs".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import Invalid, Missing, Problem, Unsupported
from .resources import DATABASE_RIGHTS
from .session import SERVICE, Server, sql

#: Roles own databases and schema public by pg_database_owner from here on.
OLDEST = 140000

_RIGHTS = """
    (SELECT coalesce(jsonb_object_agg(who, what), '{{}}') FROM (
        SELECT coalesce(pg_get_userbyid(nullif(entry.grantee, 0)), 'PUBLIC') AS who,
               jsonb_agg(DISTINCT entry.privilege_type) AS what
        FROM aclexplode(coalesce({acl}, acldefault('{kind}', {owner}))) AS entry GROUP BY 1) AS entries)
"""
_ROLES = """
    SELECT rolname AS name, rolpassword AS password, rolcanlogin AS login, rolconnlimit AS connection_limit,
           rolsuper AS superuser, rolcreatedb AS create_databases, rolcreaterole AS create_roles,
           rolreplication AS replication, rolbypassrls AS bypass_row_security,
           coalesce(rolvaliduntil, 'infinity') <> 'infinity' AS expires,
           ARRAY(SELECT DISTINCT pg_get_userbyid(roleid)::text FROM pg_auth_members
                 WHERE member = role.oid ORDER BY 1) AS member_of
    FROM pg_authid AS role
"""
_DATABASES = f"""
    SELECT datname AS name, pg_get_userbyid(datdba) AS owner, pg_encoding_to_char(encoding) AS encoding,
           datcollate AS locale, datconnlimit AS connection_limit,
           {_RIGHTS.format(acl="datacl", kind="d", owner="datdba")} AS access
    FROM pg_database AS database
"""
_SCHEMA = f"""
    SELECT pg_get_userbyid(nspowner) AS owner,
           {_RIGHTS.format(acl="nspacl", kind="n", owner="nspowner")} AS access
    FROM pg_namespace WHERE nspname = 'public'
"""
_EXTENSIONS = """
    SELECT extname AS name, extversion AS version, nspname AS schema
    FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
"""
_OWNED = """
    SELECT coalesce(datname, '') AS database, bool_or(deptype = 'o') AS owns
    FROM pg_shdepend LEFT JOIN pg_database AS database ON database.oid = dbid
    WHERE refclassid = 'pg_authid'::regclass
      AND refobjid = (SELECT oid FROM pg_authid WHERE rolname = %s)
    GROUP BY 1
"""
_SESSIONS = """
    SELECT usename AS role, datname AS database, application_name,
           host(client_addr) AS client, count(*) AS sessions
    FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
#: The words of CREATE ROLE for our fields that are switches.
SWITCHES = {
    "login": "LOGIN",
    "superuser": "SUPERUSER",
    "create_databases": "CREATEDB",
    "create_roles": "CREATEROLE",
    "replication": "REPLICATION",
    "bypass_row_security": "BYPASSRLS",
}


class PostgreSQL(Server):
    """Questions to one server, and changes to it, as its administrator. See :class:`Server`."""

    def read_cluster(self) -> dict[str, Any]:
        """``version`` (a number), ``user``, and all ``roles`` and ``databases`` by name: three questions."""
        with self.session() as session:
            version = session.info.server_version
            if version < OLDEST:
                raise Unsupported(
                    f"this is version {version // 10000}", SERVICE, f"use version {OLDEST // 10000} or later"
                )
            return {
                "version": version,
                "user": session.info.user,
                "roles": _by_name(session, _ROLES),
                "databases": {name: _others(row) for name, row in _by_name(session, _DATABASES).items()},
            }

    def read_inside(self, database: str) -> dict[str, Any]:
        """``schema`` (public's owner and rights, or ``None``) and ``extensions`` of one database."""
        with self.session(database) as session:
            schema = session.execute(_SCHEMA).fetchone()
            if schema:
                schema["access"].pop(schema["owner"], None)
            return {"schema": schema, "extensions": _by_name(session, _EXTENSIONS)}

    def read_sessions(self) -> list[dict[str, Any]]:
        """Open sessions, counted by role, database, application and client address."""
        with self.session() as session:
            return list(session.execute(_SESSIONS).fetchall())

    def read_owned(self, role: str) -> dict[str, bool]:
        """
        The databases in which something depends on a role, and whether it owns anything there.

        What belongs to no single database, such as databases themselves, is under the empty name.
        """
        with self.session() as session:
            return {row["database"]: row["owns"] for row in session.execute(_OWNED, [role])}

    def is_trusted(self, extension: str) -> bool:
        """
        Whether a database's owner may create this extension.

        Raises :class:`Missing` where its files aren't installed.
        """
        with self.session() as session:
            row = session.execute(
                "SELECT bool_or(trusted) AS trusted FROM pg_available_extension_versions WHERE name = %s",
                [extension],
            ).fetchone()
        if row["trusted"] is None:
            raise Missing(
                f"the extension {extension} isn't installed on the server",
                SERVICE,
                "install the package that has it on the database server, or correct its name",
            )
        return bool(row["trusted"])

    def write_role(
        self, role: str, fields: Mapping[str, Any], exists: bool, join: list[str], leave: list[str]
    ) -> None:
        """
        Create or alter a role, and let it join and leave other roles, in one transaction.

        fields
            Our names; the password as verifier.
        """
        words: list[Any] = [
            sql.SQL(SWITCHES[key] if fields[key] else f"NO{SWITCHES[key]}")
            for key in SWITCHES
            if key in fields
        ]
        if "connection_limit" in fields:
            words.append(sql.SQL("CONNECTION LIMIT {}").format(sql.Literal(int(fields["connection_limit"]))))
        if "password" in fields:
            words.append(sql.SQL("PASSWORD {}").format(sql.Literal(fields["password"])))
        if "expires" in fields:
            words.append(sql.SQL("VALID UNTIL 'infinity'"))
        verb = sql.SQL("ALTER ROLE {} " if exists else "CREATE ROLE {} ").format(sql.Identifier(role))
        with self.session(autocommit=False) as session:
            if words or not exists:
                session.execute(verb + sql.SQL(" ").join(words))
            for other in leave:
                session.execute(
                    sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(other), sql.Identifier(role))
                )
            for other in join:
                session.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(other), sql.Identifier(role)))

    def give_up(self, role: str, database: str, heir: str = "") -> None:
        """Hand what a role owns in a database over to the heir, and drop the rest: rights, and objects."""
        with self.session(database, autocommit=False) as session:
            if heir:
                statement = sql.SQL("REASSIGN OWNED BY {} TO {}")
                session.execute(statement.format(sql.Identifier(role), sql.Identifier(heir)))
            session.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))

    def drop_role(self, role: str) -> None:
        """Drop a role and end its sessions, which would otherwise live on."""
        with self.session() as session:
            number = session.execute("SELECT oid FROM pg_authid WHERE rolname = %s", [role]).fetchone()["oid"]
            session.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
            # They keep the number of their role, but no longer its name.
            session.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usesysid = %s", [number]
            )

    def create_database(self, database: str, fields: Mapping[str, Any]) -> None:
        """Create a database from the untouched template, and close it to everybody but its owner."""
        words = [sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(database))]
        if "owner" in fields:
            words.append(sql.SQL("OWNER {}").format(sql.Identifier(fields["owner"])))
        for key in ("encoding", "locale"):
            if key in fields:
                words.append(sql.SQL(f"{key.upper()} {{}}").format(sql.Literal(fields[key])))
        if "connection_limit" in fields:
            words.append(sql.SQL("CONNECTION LIMIT {}").format(sql.Literal(int(fields["connection_limit"]))))
        with self.session() as session:
            session.execute(sql.SQL(" ").join(words))

    def alter_database(self, database: str, fields: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        """Change owner, limit and rights of a database, in one transaction."""
        target = sql.Identifier(database)
        with self.session(autocommit=False) as session:
            if "owner" in fields:
                session.execute(
                    sql.SQL("ALTER DATABASE {} OWNER TO {}").format(target, sql.Identifier(fields["owner"]))
                )
            if "connection_limit" in fields:
                number = sql.Literal(int(fields["connection_limit"]))
                session.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(target, number))
            if "access" in fields:
                owner = fields.get("owner") or found["owner"]
                wanted = {**fields["access"], owner: list(DATABASE_RIGHTS)}
                _grant(session, sql.SQL("DATABASE {}").format(target), wanted, {*found["access"], owner})

    def alter_schema(self, database: str, fields: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        """Change owner and rights of schema public in a database, in one transaction."""
        with self.session(database, autocommit=False) as session:
            if "schema_owner" in fields:
                owner = sql.Identifier(fields["schema_owner"])
                session.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(owner))
            if "schema_access" in fields:
                _grant(
                    session, sql.SQL("SCHEMA public"), fields["schema_access"], set(found["schema_access"])
                )

    def drop_database(self, database: str) -> None:
        """Drop a database with all it holds, and end the sessions in it."""
        with self.session() as session:
            session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))

    def create_extension(self, database: str, extension: str, fields: Mapping[str, Any], owner: str) -> None:
        """
        Create an extension.

        owner
            The role that it shall belong to; empty for the administrator.
        """
        words = [sql.SQL("CREATE EXTENSION {}").format(sql.Identifier(extension))]
        if "schema" in fields:
            words.append(sql.SQL("SCHEMA {}").format(sql.Identifier(fields["schema"])))
        if "version" in fields:
            words.append(sql.SQL("VERSION {}").format(sql.Literal(fields["version"])))
        with self.session(database, autocommit=False) as session:
            if owner:
                session.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(owner)))
            session.execute(sql.SQL(" ").join(words))

    def alter_extension(self, database: str, extension: str, fields: Mapping[str, Any]) -> None:
        """Update an extension to a version, or move it to another schema."""
        target = sql.Identifier(extension)
        with self.session(database, autocommit=False) as session:
            if "version" in fields:
                version = sql.Literal(fields["version"])
                session.execute(sql.SQL("ALTER EXTENSION {} UPDATE TO {}").format(target, version))
            if "schema" in fields:
                schema = sql.Identifier(fields["schema"])
                session.execute(sql.SQL("ALTER EXTENSION {} SET SCHEMA {}").format(target, schema))

    def drop_extension(self, database: str, extension: str) -> None:
        """Drop an extension; refused while something in the database uses it."""
        with self.session(database) as session:
            session.execute(sql.SQL("DROP EXTENSION {}").format(sql.Identifier(extension)))

    def read_hba(self) -> dict[str, Any]:
        """``file`` in use, ``loaded`` (when it was last read, seconds), and the ``errors`` on disk now."""
        with self.session() as session:
            row = session.execute(
                "SELECT current_setting('hba_file') AS file, "
                "extract(epoch FROM pg_conf_load_time())::float8 AS loaded"
            ).fetchone()
            errors = session.execute(
                "SELECT line_number, error FROM pg_hba_file_rules WHERE error IS NOT NULL ORDER BY 1"
            ).fetchall()
        return {**row, "errors": [f"line {item['line_number']}: {item['error']}" for item in errors]}

    def reload(self) -> None:
        """Let the server read its configuration files again."""
        with self.session() as session:
            session.execute("SELECT pg_reload_conf()")


def _by_name(session: Any, question: str) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in session.execute(question)}


def _others(database: dict[str, Any]) -> dict[str, Any]:
    # The owner's rights are only worth a word where they aren't all of them.
    access = database["access"]
    if set(access.setdefault(database["owner"], [])) == set(DATABASE_RIGHTS):
        del access[database["owner"]]
    return database


def _grant(session: Any, target: Any, wanted: Mapping[str, Any], found: set[str]) -> None:
    for who in sorted({*found, *wanted}):
        name = sql.SQL("PUBLIC") if who == "PUBLIC" else sql.Identifier(who)
        session.execute(sql.SQL("REVOKE ALL ON {} FROM {} CASCADE").format(target, name))
        if wanted.get(who):
            words = sql.SQL(", ").join(sql.SQL(_word(right)) for right in wanted[who])
            session.execute(sql.SQL("GRANT {} ON {} TO {}").format(words, target, name))


def _word(right: str) -> Any:
    if right not in (*DATABASE_RIGHTS, "USAGE"):
        raise Invalid(
            Problem(
                "",
                "access",
                right,
                "there is no such right",
                f"one of {', '.join((*DATABASE_RIGHTS, 'USAGE'))}",
            )
        )
    return right
