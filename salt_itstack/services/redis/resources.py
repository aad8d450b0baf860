"""What we manage of Redis, field by field."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import Invalid, Problem
from ...reconcile import Field, Resource, unordered

#: What an application may do: work with its data, and ask how the server is. KEYS is what applications
#: such as Nextcloud clear a cache with (nextcloud/server: lib/private/Memcache/Redis.php, clear).
APPLICATION_COMMANDS = "+@all -@admin -@dangerous +info +keys"

ACL_USER = Resource(
    kind="ACL user",
    key="name",
    fields={
        "enabled": Field("enabled", bool),
        "password": Field("passwords", unordered, secret=True),
        "keys": Field("keys"),
        "channels": Field("channels"),
        "commands": Field("commands"),
        "selectors": Field("selectors", unordered),
    },
)

#: Settings that hold secrets of their own, or that a server never gives back.
SECRET_SETTINGS = frozenset({"requirepass", "masterauth", "tls-key-file-pass", "tls-client-key-file-pass"})
_SIZE = re.compile(r"(\d+)(b|k|kb|m|mb|g|gb)?", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "k": 1000, "kb": 1024, "m": 1000**2, "mb": 1024**2, "g": 1000**3, "gb": 1024**3}


def hashed(password: str) -> str:
    """
    What the server keeps of a password: the SHA-256 of its bytes, in hexadecimal.

    Raises :class:`Invalid` for an empty password.
    """
    if not password:
        raise Invalid("an ACL user's password is empty", "give it a password")
    return hashlib.sha256(password.encode()).hexdigest()


def rules(wanted: Mapping[str, Any]) -> list[str]:
    """
    The words after ``ACL SETUSER NAME`` that make a user exactly what is wanted, whatever it was before.

    wanted
        ``enabled``, ``passwords`` (hashes), ``keys`` and ``channels`` (patterns, or what a server says of
        them), ``commands`` and ``selectors`` (texts of rules).
    """
    return [
        "reset",
        "on" if wanted.get("enabled") else "off",
        *("nopass" if kept == "nopass" else f"#{kept}" for kept in wanted.get("passwords") or ()),
        *patterns("keys", wanted.get("keys"), "~"),
        *patterns("channels", wanted.get("channels"), "&"),
        *words(wanted.get("commands")),
        *(f"({selector})" for selector in wanted.get("selectors") or ()),
    ]


def spelled(fields: Mapping[str, Any]) -> dict[str, Any]:
    """
    What a user wrote, with patterns as the server spells them: ``['nc:*']`` is ``~nc:*``.

    Raises :class:`Invalid` for what isn't a pattern, and for rules that aren't about commands.
    """
    result = dict(fields)
    for field, mark in (("keys", "~"), ("channels", "&")):
        if field in result:
            result[field] = " ".join(patterns(field, result[field], mark))
    if "commands" in result:
        result["commands"] = " ".join(words(result["commands"]))
    return result


def patterns(field: str, given: Any, mark: str) -> list[str]:
    """
    Patterns as rules: ``nc:*`` is ``~nc:*``. What has a mark already (``~``, ``&``, ``%R~``) keeps it.

    Raises :class:`Invalid` for what isn't a pattern.
    """
    items = given.split() if isinstance(given, str) else given or []
    for item in items:
        if not isinstance(item, str) or not item or re.search(r"\s", item):
            remedy = "give a list of patterns without blanks, such as ['wiki:*'], or ['*'] for all"
            raise Invalid(Problem("", field, item, "isn't a pattern", remedy))
    return [item if item.startswith((mark, "%")) else f"{mark}{item}" for item in items]


def words(commands: Any) -> list[str]:
    """
    The words of a text of command rules.

    Raises :class:`Invalid` for what could grant more than commands, such as ``nopass`` or ``~*``.
    """
    found = str(commands or "").split()
    for word in found:
        if not word.startswith(("+", "-")) and word not in ("allcommands", "nocommands"):
            remedy = "write +COMMAND, -COMMAND, +@CATEGORY and -@CATEGORY only"
            raise Invalid(Problem("", "commands", word, "isn't a rule about commands", remedy))
    return found


def in_base_units(value: Any) -> str:
    """
    A setting as the server gives it back: ``256mb`` is 268435456, ``True`` is ``yes``, a list is its words.

    Source: redis.conf's own comment on units.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return " ".join(str(item) for item in value)
    text = " ".join(str(value).split())
    size = _SIZE.fullmatch(text)
    return str(int(size[1]) * _UNITS[(size[2] or "").lower()]) if size else text
