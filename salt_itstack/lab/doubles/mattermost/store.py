"""What the real server keeps in its database, kept in PostgreSQL: tables by the real names, one JSON object a
row.

There's no cache: each request reads the database in one transaction of its own, so that a lost database, a
restored one and a revoked right show at once.
"""

import contextlib
import json
import logging
import threading

import psycopg

LOG = logging.getLogger(__name__)
TABLES = (
    "users", "bots", "sessions", "useraccesstokens", "teams", "teammembers", "channels", "channelmembers",
    "incomingwebhooks", "outgoingwebhooks", "posts", "reactions", "systems",
)  # fmt: skip
#: Without limits a database whose host has gone would hold every request for minutes.
LIMITS = {"connect_timeout": 10, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3,
          "tcp_user_timeout": 10000}  # fmt: skip
_UNKNOWN_TO_LIBPQ = ("binary_parameters",)


class DatabaseDown(Exception):
    """The database can't be reached or doesn't do what is asked; the message is PostgreSQL's."""


def conninfo(source):
    """``SqlSettings.DataSource`` as libpq takes it: options that only the Go driver knows are dropped."""
    address, _, query = source.partition("?")
    kept = [part for part in query.split("&") if part and part.partition("=")[0] not in _UNKNOWN_TO_LIBPQ]
    text = address + ("?" + "&".join(kept) if kept else "")
    given = psycopg.conninfo.conninfo_to_dict(text)
    return psycopg.conninfo.make_conninfo(text, **{k: v for k, v in LIMITS.items() if k not in given})


class Store:
    """Objects by table and id. Reads and writes belong inside :meth:`transaction`."""

    def __init__(self, source):
        self.source = source
        self._connection = None
        self._lock = threading.RLock()
        self._depth = 0

    def prepare(self):
        """Make the tables that are missing. Raises :class:`DatabaseDown`."""
        with self.transaction():
            for table in TABLES:
                self._run(
                    f"CREATE TABLE IF NOT EXISTS {table} (id text PRIMARY KEY, position bigserial,"
                    " data jsonb NOT NULL)"
                )

    def close(self):
        """Give the connection back."""
        with self._lock:
            self._drop()

    def healthy(self):
        """Whether the database answers."""
        try:
            with self.transaction():
                self._run("SELECT 1")
        except DatabaseDown:
            return False
        return True

    @contextlib.contextmanager
    def transaction(self):
        """One request's work: all of it is kept, or nothing when it ends in an exception."""
        with self._lock:
            if self._depth:
                yield
                return
            self._open()
            self._depth += 1
            try:
                yield
                self._finish("commit")
            except BaseException:
                with contextlib.suppress(DatabaseDown):
                    self._finish("rollback")
                raise
            finally:
                self._depth -= 1

    def _open(self):
        """A connection that has just answered: a dead one is replaced."""
        try:
            if self._connection is not None:
                self._connection.execute("SELECT 1")
                return
        except psycopg.Error:
            self._drop()
        try:
            address = conninfo(self.source)
        except psycopg.Error:
            # Its message may hold a part of the password.
            raise DatabaseDown("SqlSettings.DataSource isn't an address of a database") from None
        try:
            self._connection = psycopg.connect(address)
        except psycopg.Error as error:
            raise DatabaseDown(str(error).strip()) from None

    def _finish(self, deed):
        if self._connection is None:
            return
        try:
            getattr(self._connection, deed)()
        except psycopg.Error as error:
            self._drop()
            raise DatabaseDown(str(error).strip()) from None

    def _drop(self):
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
        self._connection = None

    def _run(self, statement, *values):
        try:
            return self._connection.execute(statement, values)
        except psycopg.Error as error:
            LOG.error("database: %s", str(error).strip())
            raise DatabaseDown(str(error).strip()) from None

    # -- objects

    def get(self, table, identity):
        """The object with this id, or None."""
        row = self._run(f"SELECT data FROM {table} WHERE id = %s", identity).fetchone()
        return row[0] if row else None

    def put(self, table, identity, value):
        """Make or replace an object; a replaced one keeps its place in the order."""
        self._run(
            f"INSERT INTO {table} (id, data) VALUES (%s, %s::jsonb) ON CONFLICT (id) DO UPDATE SET data ="
            " EXCLUDED.data",
            identity,
            json.dumps(value),
        )

    def remove(self, table, identity):
        """Remove an object."""
        self._run(f"DELETE FROM {table} WHERE id = %s", identity)

    def find(self, table, **fields):
        """The objects whose fields have these values, the oldest first."""
        rows = self._run(
            f"SELECT data FROM {table} WHERE data @> %s::jsonb ORDER BY position", json.dumps(fields)
        )
        return [row[0] for row in rows.fetchall()]

    def items(self, table, **fields):
        """(id, object) of the objects whose fields have these values, the oldest first."""
        return self._run(
            f"SELECT id, data FROM {table} WHERE data @> %s::jsonb ORDER BY position", json.dumps(fields)
        ).fetchall()

    def first(self, table, **fields):
        """The oldest object whose fields have these values, or None."""
        row = self._run(
            f"SELECT data FROM {table} WHERE data @> %s::jsonb ORDER BY position LIMIT 1", json.dumps(fields)
        ).fetchone()
        return row[0] if row else None

    def count(self, table, **fields):
        """How many objects have these values."""
        return self._run(
            f"SELECT count(*) FROM {table} WHERE data @> %s::jsonb", json.dumps(fields)
        ).fetchone()[0]
