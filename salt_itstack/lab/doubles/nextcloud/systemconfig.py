"""The system configuration: ``config/config.php`` in PHP's own syntax, read and written by the double.

As on the real server further ``config/*.config.php`` files are merged over it when it is read, and the merged
whole is written back to ``config.php`` by the next change. One process reads once and writes the whole file,
so parallel changes lose each other's keys, as measured on the real server.
"""

import fcntl
import os
import re

from salt_itstack.lab.doubles.nextcloud import phpvalues

_SENSITIVE = {
    "instanceid",
    "datadirectory",
    "dbname",
    "dbhost",
    "dbpassword",
    "dbuser",
    "mail_from_address",
    "mail_domain",
    "mail_smtphost",
    "mail_smtpname",
    "mail_smtppassword",
    "passwordsalt",
    "secret",
    "updater.secret",
    "trusted_proxies",
    "proxyuserpwd",
}
_SENSITIVE_INSIDE = {"redis": {"host", "password"}}
MASK = "***REMOVED SENSITIVE VALUE***"


class SystemConfig:
    """The keys of ``config.php`` below ``root``; missing files make an empty configuration."""

    def __init__(self, root):
        self.folder = os.path.join(root, "config")
        self.path = os.path.join(self.folder, "config.php")
        self.values = {}
        for path in [self.path, *self._further()]:
            self.values.update(_read(path))

    def _further(self):
        if not os.path.isdir(self.folder):
            return []
        names = sorted(name for name in os.listdir(self.folder) if name.endswith(".config.php"))
        return [os.path.join(self.folder, name) for name in names]

    def get(self, name, default=None):
        """The value of ``name`` or ``default``."""
        return self.values.get(name, default)

    def at(self, path):
        """``(True, value)`` at the key path (list of names), ``(False, None)`` where it doesn't exist."""
        value = self.values
        for name in path:
            if not isinstance(value, (dict, list)) or phpvalues.key(name) not in phpvalues.as_map(value):
                return False, None
            value = phpvalues.as_map(value)[phpvalues.key(name)]
        return True, value

    def put(self, path, value):
        """Set the key path; a scalar in the middle gives way to an array. Not written until :meth:`save`."""
        self.values = phpvalues.as_map(_put(self.values, path, value))

    def drop(self, path):
        """Remove the key path. Returns whether it existed. Not written until :meth:`save`."""
        exists, _ = self.at(path)
        if exists:
            self.values = phpvalues.as_map(_drop(self.values, path))
        return exists

    def save(self):
        """Write all values to ``config.php`` (mode 0640), in place under a lock."""
        os.makedirs(self.folder, exist_ok=True)
        text = f"<?php\n$CONFIG = {phpvalues.export(self.values)};\n"
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o640)
        with os.fdopen(handle, "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.truncate(0)
            file.write(text)

    def masked(self):
        """All values with those that the real server counts as sensitive replaced by :data:`MASK`."""
        return {name: _masked(name, value) for name, value in self.values.items()}


def _masked(name, value):
    if name in _SENSITIVE:
        return MASK
    if name in _SENSITIVE_INSIDE and isinstance(value, dict):
        return {inner: MASK if inner in _SENSITIVE_INSIDE[name] else item for inner, item in value.items()}
    return value


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            text = file.read()
    except FileNotFoundError:
        return {}
    match = re.search(r"\$CONFIG\s*=\s*(.*?);?\s*(?:\?>\s*)?\Z", text, re.DOTALL)
    if not match:
        return {}
    try:
        return phpvalues.as_map(phpvalues.parse(match.group(1)))
    except ValueError as failure:
        raise ValueError(f"{path}: {failure}; give $CONFIG as an array of plain values") from failure


def _put(value, path, wanted):
    name = phpvalues.key(path[0])
    items = phpvalues.as_map(value) if isinstance(value, (dict, list)) else {}
    items[name] = wanted if len(path) == 1 else _put(items.get(name), path[1:], wanted)
    return phpvalues.as_array(items)


def _drop(value, path):
    name = phpvalues.key(path[0])
    items = phpvalues.as_map(value)
    if len(path) == 1:
        del items[name]
    else:
        items[name] = _drop(items[name], path[1:])
    return phpvalues.as_array(items)
