"""Persons, groups and memberships, with the rules that occ, OCS and the OIDC login share."""

import datetime
import hashlib
import os
import re
import secrets
import shutil
import string
import time

from salt_itstack.lab.doubles.nextcloud import database as db

ADMIN = "admin"
UID_RULE = 'Only the following characters are allowed in an Login: "a-z", "A-Z", "0-9", spaces and "_.@-\'"'
_UNITS = {"": 0, "b": 0, "k": 1, "kb": 1, "m": 2, "mb": 2, "g": 3, "gb": 3, "t": 4, "tb": 4, "p": 5, "pb": 5}
UNLIMITED = -3


class Refused(Exception):
    """A rule of the server forbids the change; the message is the server's."""


class Exists(Refused):
    """The uid or gid is taken."""


class People:
    """Persons and groups over a :class:`~salt_itstack.lab.doubles.nextcloud.database.Database`."""

    def __init__(self, database, data_folder):
        self.database = database
        self.data_folder = data_folder

    def _oidc(self):
        return self.database.app_value("user_oidc", "enabled") == "yes"

    # -- persons

    def all(self):
        """Rows (uid, display name, backend) in the server's order."""
        rows = [
            (uid, name or uid, "Database", (name is None, (name or "").lower(), uid.lower()))
            for uid, name in self.database.run("SELECT uid, displayname FROM oc_users")
        ]
        if self._oidc():
            taken = {row[0] for row in rows}
            rows += [
                (uid, name or uid, "user_oidc", (name is None, (name or "").lower(), uid.lower()))
                for uid, name in self.database.run("SELECT user_id, display_name FROM oc_user_oidc")
                if uid not in taken
            ]
        return [row[:3] for row in sorted(rows, key=lambda row: row[3])]

    def shown(self, search="", limit=None, offset=0):
        """Rows of :meth:`all` whose uid or name holds ``search``: a page in storage order, sorted by name."""
        found = [
            row for row in self.all() if search.lower() in row[0].lower() or search.lower() in row[1].lower()
        ]
        page = found[offset:][:limit] if limit is not None else found[offset:]
        return sorted(page, key=lambda row: (row[1].lower(), row[2] != "user_oidc"))

    def find(self, uid):
        """(uid as kept, display name, backend) of a person, or None. Ids of the database are case-blind."""
        rows = self.database.run("SELECT uid, displayname FROM oc_users WHERE uid_lower = %s", uid.lower())
        if rows:
            return rows[0][0], rows[0][1] or rows[0][0], "Database"
        if self._oidc():
            rows = self.database.run("SELECT user_id, display_name FROM oc_user_oidc WHERE user_id = %s", uid)
            if rows:
                return rows[0][0], rows[0][1] or rows[0][0], "user_oidc"
        return None

    def add(self, uid, password):
        """Make a person in the database. Raises :class:`Refused` or :class:`Exists`."""
        if re.search(r"[^a-zA-Z0-9 _.@\-']", uid):
            raise Refused(UID_RULE)
        if not uid.strip():
            raise Refused("A valid Login must be provided")
        if uid != uid.strip():
            raise Refused("Login contains whitespace at the beginning or at the end")
        if uid in (".", ".."):
            raise Refused("Login must not consist of dots only")
        if len(uid) > 64:
            raise Refused("Username is too long")
        if self.find(uid):
            raise Exists("The Login is already being used")
        self.database.run(
            "INSERT INTO oc_users (uid, uid_lower, password) VALUES (%s, %s, %s)",
            uid,
            uid.lower(),
            db.password_hash(password),
        )

    def delete(self, uid):
        """Remove a person with memberships, preferences, tokens and files."""
        for statement in (
            "DELETE FROM oc_users WHERE uid = %s",
            "DELETE FROM oc_user_oidc WHERE user_id = %s",
            "DELETE FROM oc_group_user WHERE uid = %s",
            "DELETE FROM oc_group_admin WHERE uid = %s",
            "DELETE FROM oc_preferences WHERE userid = %s",
            "DELETE FROM oc_authtoken WHERE uid = %s",
            "DELETE FROM oc_filecache WHERE uid = %s",
        ):
            self.database.run(statement, uid)
        shutil.rmtree(self.home(uid), ignore_errors=True)

    def rename(self, uid, backend, name):
        """Set the display name where the person's backend keeps it."""
        if backend == "Database":
            self.database.run("UPDATE oc_users SET displayname = %s WHERE uid = %s", name, uid)
        else:
            self.database.run("UPDATE oc_user_oidc SET display_name = %s WHERE user_id = %s", name, uid)

    def set_password(self, uid, password):
        """Set a database person's password."""
        self.database.run("UPDATE oc_users SET password = %s WHERE uid = %s", db.password_hash(password), uid)

    def check_password(self, uid, password):
        """The uid as kept when ``password`` is right, else None. ``uid`` may be a unique e-mail address."""
        rows = self.database.run("SELECT uid, password FROM oc_users WHERE uid_lower = %s", uid.lower())
        if not rows and "@" in uid:
            rows = self.database.run(
                "SELECT uid, password FROM oc_users WHERE uid IN (SELECT userid FROM oc_preferences"
                " WHERE appid = 'settings' AND configkey = 'email' AND lower(configvalue) = %s)",
                uid.lower(),
            )
        if len(rows) == 1 and db.password_matches(password, rows[0][1]):
            return rows[0][0]
        return None

    def enabled(self, uid):
        """Whether the person may log in."""
        return self.database.preference(uid, "core", "enabled", "true") == "true"

    def enable(self, uid, enabled):
        """Allow or forbid logins."""
        self.database.set_preference(uid, "core", "enabled", "true" if enabled else "false")

    def forget(self, uid):
        """Remove an OIDC person. Measured: a local account of the same uid stays, its files and memberships
        don't."""
        if self.database.one("SELECT count(*) FROM oc_users WHERE uid = %s", uid) == 0:
            self.delete(uid)
            return
        for statement in (
            "DELETE FROM oc_user_oidc WHERE user_id = %s",
            "DELETE FROM oc_group_user WHERE uid = %s",
            "DELETE FROM oc_preferences WHERE userid = %s",
            "DELETE FROM oc_authtoken WHERE uid = %s",
            "DELETE FROM oc_filecache WHERE uid = %s",
        ):
            self.database.run(statement, uid)
        shutil.rmtree(self.home(uid), ignore_errors=True)

    def logged_in(self, uid):
        """Note a login and make the home folder at the first one."""
        now = str(int(time.time()))
        if self.database.preference(uid, "login", "firstLogin") is None:
            self.database.set_preference(uid, "login", "firstLogin", now)
        self.database.set_preference(uid, "login", "lastLogin", now)
        os.makedirs(os.path.join(self.home(uid), "files"), exist_ok=True)

    def home(self, uid):
        """The person's folder below the data directory."""
        return os.path.join(self.data_folder, uid)

    def used(self, uid):
        """Bytes in the person's files."""
        total = 0
        for folder, _, names in os.walk(os.path.join(self.home(uid), "files")):
            total += sum(os.path.getsize(os.path.join(folder, name)) for name in names)
        return total

    def quota(self, uid):
        """The quota's text: ``none`` or an amount with its unit."""
        text = self.database.preference(uid, "files", "quota") or "none"
        return "none" if text == "default" else text

    def storage(self, uid):
        """free, used, total, relative and quota in bytes as OCS reports them."""
        quota = size(self.quota(uid))
        used = self.used(uid)
        if quota is None:
            return {"free": UNLIMITED, "used": used, "total": UNLIMITED, "relative": 0, "quota": UNLIMITED}
        relative = round(used / quota * 10000) / 100 if quota else 0
        return {
            "free": max(0, quota - used),
            "used": used,
            "total": quota,
            "relative": int(relative) if relative == int(relative) else relative,
            "quota": quota,
        }

    # -- groups

    def groups(self):
        """Rows (gid, display name) by gid."""
        return self.database.run('SELECT gid, displayname FROM oc_groups ORDER BY gid COLLATE "C"')

    def group(self, gid):
        """(gid, display name) or None."""
        rows = self.database.run("SELECT gid, displayname FROM oc_groups WHERE gid = %s", gid)
        return rows[0] if rows else None

    def add_group(self, name, shown=None):
        """Make a group; an id over 64 characters becomes its hash. Returns the gid. Raises
        :class:`Exists`."""
        gid = hashlib.sha256(name.encode()).hexdigest() if len(name) > 64 else name
        if not name:
            raise Refused("Invalid group name")
        if self.group(gid):
            raise Exists("group exists")
        self.database.run("INSERT INTO oc_groups (gid, displayname) VALUES (%s, %s)", gid, shown or name)
        return gid

    def delete_group(self, gid):
        """Remove a group. Raises :class:`Refused` for the administrators' group."""
        if gid == ADMIN:
            raise Refused("the group admin can't be deleted")
        for table in ("oc_groups", "oc_group_user", "oc_group_admin"):
            self.database.run(f"DELETE FROM {table} WHERE gid = %s", gid)

    def members(self, gid):
        """The uids of a group's members that exist, by uid."""
        known = {row[0] for row in self.all()}
        rows = self.database.run("SELECT uid FROM oc_group_user WHERE gid = %s ORDER BY uid", gid)
        return [uid for (uid,) in rows if uid in known]

    def groups_of(self, uid):
        """A person's gids in the order of joining."""
        return [
            gid
            for (gid,) in self.database.run(
                "SELECT gid FROM oc_group_user WHERE uid = %s ORDER BY position", uid
            )
        ]

    def join(self, gid, uid):
        """Make a person a member."""
        self.database.run(
            "INSERT INTO oc_group_user (gid, uid) VALUES (%s, %s) ON CONFLICT DO NOTHING", gid, uid
        )

    def leave(self, gid, uid):
        """End a membership."""
        self.database.run("DELETE FROM oc_group_user WHERE gid = %s AND uid = %s", gid, uid)

    def is_admin(self, uid):
        """Whether the person is a member of the administrators' group."""
        return ADMIN in self.groups_of(uid)

    def led_by(self, uid):
        """The gids that the person administers."""
        return [gid for (gid,) in self.database.run("SELECT gid FROM oc_group_admin WHERE uid = %s", uid)]


def size(text):
    """Bytes of a quota text, None for no limit. Raises ValueError when it is no amount."""
    plain = str(text).strip().lower()
    if plain in ("none", "default", ""):
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", plain)
    if not match or match.group(2) not in _UNITS:
        raise ValueError(text)
    return int(float(match.group(1)) * 1024 ** _UNITS[match.group(2)])


def amount(number):
    """Bytes as the server words them: ``2 GB``."""
    value = float(number)
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if value < 1024 or unit == "TB":
            return f"{int(value) if value == int(value) else round(value, 1)} {unit}"
        value /= 1024
    return f"{number} B"


def seen(moment):
    """A login time as occ prints it."""
    if not moment:
        return "never"
    return datetime.datetime.fromtimestamp(int(moment), datetime.UTC).isoformat()


def app_password():
    """A new app password."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(72))
