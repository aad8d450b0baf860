"""What the real server keeps in its database, kept in the PostgreSQL database that the double is installed
on.

Tables have the real server's names where it has such a table; columns only where the double needs them. A
connection is opened per occ call and per web request, so a stopped server, a wrong password or a revoked
grant shows at once.
"""

import contextlib
import hashlib
import hmac
import json
import os
import re
import time

import psycopg

from salt_itstack.lab.doubles.nextcloud import phpvalues

MIXED, STRING, INTEGER, FLOAT, BOOLEAN, ARRAY = 2, 4, 8, 16, 32, 64
TYPES = {
    "mixed": MIXED,
    "string": STRING,
    "integer": INTEGER,
    "float": FLOAT,
    "boolean": BOOLEAN,
    "array": ARRAY,
}
TYPE_NAMES = {number: name for name, number in TYPES.items()}

TABLES = (
    "oc_migrations (app VARCHAR(255) NOT NULL, version VARCHAR(255) NOT NULL, PRIMARY KEY (app, version))",
    "oc_appconfig (position BIGSERIAL, appid VARCHAR(32) NOT NULL, configkey VARCHAR(64) NOT NULL,"
    " configvalue TEXT, type INTEGER NOT NULL DEFAULT 2, lazy BOOLEAN NOT NULL DEFAULT FALSE,"
    " sensitive BOOLEAN NOT NULL DEFAULT FALSE, PRIMARY KEY (appid, configkey))",
    "oc_preferences (position BIGSERIAL, userid VARCHAR(64) NOT NULL, appid VARCHAR(32) NOT NULL,"
    " configkey VARCHAR(64) NOT NULL, configvalue TEXT, PRIMARY KEY (userid, appid, configkey))",
    "oc_users (uid VARCHAR(64) PRIMARY KEY, uid_lower VARCHAR(64) UNIQUE, displayname VARCHAR(64),"
    " password VARCHAR(255) NOT NULL)",
    "oc_groups (gid VARCHAR(64) PRIMARY KEY, displayname VARCHAR(255) NOT NULL)",
    "oc_group_user (position BIGSERIAL, gid VARCHAR(64) NOT NULL, uid VARCHAR(64) NOT NULL,"
    " PRIMARY KEY (gid, uid))",
    "oc_group_admin (gid VARCHAR(64) NOT NULL, uid VARCHAR(64) NOT NULL, PRIMARY KEY (gid, uid))",
    "oc_authtoken (id BIGSERIAL PRIMARY KEY, uid VARCHAR(64) NOT NULL, name TEXT NOT NULL,"
    " token VARCHAR(200) NOT NULL UNIQUE, type SMALLINT NOT NULL, last_activity BIGINT NOT NULL,"
    " password_checked BIGINT NOT NULL DEFAULT 0)",
    "oc_bruteforce_attempts (id BIGSERIAL PRIMARY KEY, action VARCHAR(64) NOT NULL, occurred BIGINT NOT NULL,"
    " ip VARCHAR(255) NOT NULL)",
    "oc_filecache (fileid BIGSERIAL PRIMARY KEY, uid VARCHAR(64) NOT NULL, path VARCHAR(4000) NOT NULL,"
    " etag VARCHAR(40) NOT NULL, checksum VARCHAR(255), UNIQUE (uid, path))",
    "oc_user_oidc_providers (id SERIAL PRIMARY KEY, identifier VARCHAR(128) NOT NULL UNIQUE,"
    " client_id VARCHAR(64) NOT NULL, client_secret TEXT NOT NULL, discovery_endpoint VARCHAR(255) NOT NULL,"
    " end_session_endpoint VARCHAR(255), post_logout_uri VARCHAR(255), scope VARCHAR(128) NOT NULL)",
    "oc_user_oidc (user_id VARCHAR(64) PRIMARY KEY, display_name VARCHAR(255))",
    "oc_user_oidc_sessions (sid VARCHAR(256) NOT NULL, sub VARCHAR(256) NOT NULL, iss VARCHAR(512) NOT NULL,"
    " authtoken_id BIGINT NOT NULL, provider_id INTEGER NOT NULL)",
)


class Unreachable(Exception):
    """No connection: the message is libpq's, without credentials."""


class QueryFailed(Exception):
    """The server refused a statement; ``sqlstate`` and its message as Nextcloud's driver words them."""

    def __init__(self, failure):
        self.sqlstate = failure.sqlstate or "HY000"
        kind = {
            "42501": "Insufficient privilege",
            "23505": "Unique violation",
            "42P01": "Undefined table",
        }.get(self.sqlstate, "General error")
        super().__init__(f"SQLSTATE[{self.sqlstate}]: {kind}: 7 ERROR:  {str(failure).strip()}")


def connect(config, user=None, password=None):
    """An autocommit connection by the system configuration's db* keys. Raises :class:`Unreachable`."""
    host = str(config.get("dbhost") or "localhost")
    port = 5432
    match = re.fullmatch(r"(.*):(\d+)", host)
    if match:
        host, port = match.group(1), int(match.group(2))
    try:
        return psycopg.connect(
            host=host,
            port=port,
            dbname=config.get("dbname"),
            user=user or config.get("dbuser"),
            password=(config.get("dbpassword") if password is None else password) or None,
            connect_timeout=5,
            autocommit=True,
            application_name="nextcloud",
        )
    except psycopg.OperationalError as failure:
        text = str(failure).strip()
        raise Unreachable(
            text[len("connection failed: ") :] if text.startswith("connection failed: ") else text
        )


class Database:
    """All statements of the double over one connection (see :func:`connect`)."""

    def __init__(self, connection):
        self.connection = connection

    def run(self, statement, *values):
        """The rows of ``statement`` (an empty list where it has none). Raises :class:`QueryFailed`."""
        try:
            cursor = self.connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []
        except psycopg.OperationalError as failure:
            raise Unreachable(str(failure).strip())
        except psycopg.Error as failure:
            raise QueryFailed(failure)

    def one(self, statement, *values):
        """The first column of the first row, or None."""
        rows = self.run(statement, *values)
        return rows[0][0] if rows else None

    def close(self):
        """Close the connection."""
        with contextlib.suppress(psycopg.Error):
            self.connection.close()

    def create_tables(self):
        """Make all tables as the connected role."""
        for table in TABLES:
            self.run(f"CREATE TABLE {table}")

    # -- application configuration

    def app_values(self, app):
        """``{key: (text, type number, lazy, sensitive)}`` of one app, in the order of their creation."""
        rows = self.run(
            "SELECT configkey, configvalue, type, lazy, sensitive FROM oc_appconfig WHERE appid = %s"
            " ORDER BY position",
            app,
        )
        return {row[0]: row[1:] for row in rows}

    def app_value(self, app, name, default=None):
        """The text of one key or ``default``."""
        rows = self.run("SELECT configvalue FROM oc_appconfig WHERE appid = %s AND configkey = %s", app, name)
        return rows[0][0] if rows else default

    def set_app_value(self, app, name, text, kind=MIXED, lazy=False, sensitive=False):
        """Write one key."""
        self.run(
            "INSERT INTO oc_appconfig (appid, configkey, configvalue, type, lazy, sensitive)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (appid, configkey) DO UPDATE SET"
            " configvalue = EXCLUDED.configvalue, type = EXCLUDED.type, lazy = EXCLUDED.lazy,"
            " sensitive = EXCLUDED.sensitive",
            app,
            name,
            text,
            kind,
            lazy,
            sensitive,
        )

    def delete_app_value(self, app, name):
        """Remove one key."""
        self.run("DELETE FROM oc_appconfig WHERE appid = %s AND configkey = %s", app, name)

    def apps_with_values(self):
        """All app ids that have a key, sorted."""
        return [row[0] for row in self.run("SELECT DISTINCT appid FROM oc_appconfig ORDER BY appid")]

    # -- persons' preferences

    def preference(self, uid, app, name, default=None):
        """One preference's text or ``default``."""
        rows = self.run(
            "SELECT configvalue FROM oc_preferences WHERE userid = %s AND appid = %s AND configkey = %s",
            uid,
            app,
            name,
        )
        return rows[0][0] if rows else default

    def preferences(self, uid):
        """``{app: {key: text}}`` of one person."""
        found = {}
        for app, name, text in self.run(
            "SELECT appid, configkey, configvalue FROM oc_preferences WHERE userid = %s ORDER BY appid,"
            " position",
            uid,
        ):
            found.setdefault(app, {})[name] = text
        return found

    def set_preference(self, uid, app, name, text):
        """Write one preference."""
        self.run(
            "INSERT INTO oc_preferences (userid, appid, configkey, configvalue) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (userid, appid, configkey) DO UPDATE SET configvalue = EXCLUDED.configvalue",
            uid,
            app,
            name,
            text,
        )

    def delete_preference(self, uid, app, name):
        """Remove one preference."""
        self.run(
            "DELETE FROM oc_preferences WHERE userid = %s AND appid = %s AND configkey = %s", uid, app, name
        )

    # -- tokens and attempts

    def tokens(self, uid):
        """Rows (id, name, type, last activity) of a person's tokens."""
        return self.run(
            "SELECT id, name, type, last_activity FROM oc_authtoken WHERE uid = %s ORDER BY id", uid
        )

    def add_token(self, uid, name, secret, kind):
        """Keep a token's hash. Returns its id."""
        return self.one(
            "INSERT INTO oc_authtoken (uid, name, token, type, last_activity) VALUES (%s, %s, %s, %s, %s)"
            " RETURNING id",
            uid,
            name,
            token_hash(secret),
            kind,
            int(time.time()),
        )

    def token(self, secret):
        """(id, uid, type) of the token with this clear text, or None; its last activity is noted."""
        rows = self.run(
            "UPDATE oc_authtoken SET last_activity = %s WHERE token = %s RETURNING id, uid, type",
            int(time.time()),
            token_hash(secret),
        )
        return rows[0] if rows else None

    def attempts(self, address):
        """How many failed logins of the last twelve hours count against ``address``."""
        return self.one(
            "SELECT count(*) FROM oc_bruteforce_attempts WHERE ip = %s AND occurred > %s",
            address,
            int(time.time()) - 12 * 3600,
        )

    def add_attempt(self, address):
        """Note a failed login from ``address``."""
        self.run(
            "INSERT INTO oc_bruteforce_attempts (action, occurred, ip) VALUES ('login', %s, %s)",
            int(time.time()),
            address,
        )

    def forget_attempts(self, address):
        """Forget the failed logins from ``address``."""
        self.run("DELETE FROM oc_bruteforce_attempts WHERE ip = %s", address)


def token_hash(secret):
    """What is kept of a token."""
    return hashlib.sha512(secret.encode()).hexdigest()


def password_hash(password):
    """A salted hash of ``password`` to keep."""
    salt = os.urandom(16)
    return "scrypt$" + salt.hex() + "$" + _scrypt(password, salt).hex()


def password_matches(password, kept):
    """Whether ``password`` is the one of the ``kept`` hash."""
    scheme, _, rest = kept.partition("$")
    if scheme != "scrypt":
        return False
    salt, _, digest = rest.partition("$")
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)).hex(), digest)


def _scrypt(password, salt):
    # Light on purpose: many logins per second in a lab on two cores.
    return hashlib.scrypt(password.encode(), salt=salt, n=2**10, r=8, p=1)


def typed(text, kind):
    """The value of an app configuration text of the given type number."""
    if kind == INTEGER:
        return int(text)
    if kind == FLOAT:
        return float(text)
    if kind == BOOLEAN:
        return text in ("1", "true", "yes", "on")
    if kind == ARRAY:
        return phpvalues.normalise(json.loads(text))
    return text
