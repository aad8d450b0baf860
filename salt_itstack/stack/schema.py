"""What may stand in a map file: the keys, what each must be, and how a wrong one is told."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..errors import Problem, nearest
from .model import (
    ACCESSES,
    ALPHABET,
    GIVEN,
    LAYERS,
    LENGTH,
    LENGTHS,
    MODES,
    PHASES,
    PURPOSES,
    is_alphabet,
    is_length,
)

HIDDEN = "(hidden)"
OMIT = object()
"""Stands for a value that was refused and is left out of what is checked further."""

_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
_DN = re.compile(r"[a-zA-Z]+=[^,=+<>#;\"\\]+(,[a-zA-Z]+=[^,=+<>#;\"\\]+)*")
_SENSITIVE = re.compile(
    r"(^|[_-])(passw(or)?d|passphrase|secret|token|credential|api[_-]?key|private[_-]?key)s?$", re.IGNORECASE
)
REFERENCES = ("secret://", "sdb://")


@dataclass(frozen=True)
class Rule:
    """One value: what is expected there, in words, and whether a value is that."""

    expected: str
    accepts: Callable[[Any], bool]
    remedy: str = ""
    public: bool = False
    """Shown in messages even where a secret is described: how long it is, not what it is."""

    def or_null(self) -> Rule:
        """The same, or nothing."""
        return Rule(
            f"{self.expected}, or null",
            lambda value: value is None or self.accepts(value),
            self.remedy,
            self.public,
        )


@dataclass(frozen=True)
class Fields:
    """A mapping with known keys."""

    keys: Mapping[str, Any]
    nullable: bool = False


@dataclass(frozen=True)
class Entries:
    """A mapping from names that the user chooses to values that are all alike."""

    key: Rule
    value: Any
    removable: bool = False


@dataclass(frozen=True)
class Listing:
    """A list of values that are all alike."""

    item: Rule
    nullable: bool = False


@dataclass(frozen=True)
class Settings:
    """A mapping with keys of its own, which are checked against the defaults later."""


def is_domain(value: Any) -> bool:
    """Whether it is a DNS name of two labels at least."""
    return (
        isinstance(value, str)
        and len(value) <= 253
        and "." in value
        and not is_address(value)
        and all(_LABEL.fullmatch(label) for label in value.split("."))
    )


def is_address(value: Any) -> bool:
    """Whether it is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(value if isinstance(value, str) else "")
    except ValueError:
        return False
    return True


def _is_host(value: Any) -> bool:
    return is_address(value) or is_domain(value) or (isinstance(value, str) and bool(_LABEL.fullmatch(value)))


def _is_url(value: Any) -> bool:
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False


def _is_number(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def one_of(*values: str) -> Rule:
    """A rule that takes one of these texts."""
    return Rule("one of " + ", ".join(values), lambda value: isinstance(value, str) and value in values)


TEXT = Rule("a text", lambda value: isinstance(value, str) and bool(value.strip()), "put it in quotes")
FLAG = Rule("true or false", lambda value: isinstance(value, bool), "write true or false without quotes")
PHASE = Rule(
    "one of the phases " + ", ".join(PHASES),
    lambda value: not isinstance(value, bool) and isinstance(value, (str, int)) and str(value) in PHASES,
)
ID = Rule(
    "an id of small letters, digits and hyphens",
    lambda value: isinstance(value, str) and len(value) <= 63 and bool(_ID.fullmatch(value)),
)
HOST = Rule("an IP address or a host name", _is_host)
DOMAIN = Rule("a DNS domain such as it-stack.lab", is_domain)
LABEL = Rule(
    "a single DNS label such as cloud", lambda value: isinstance(value, str) and bool(_LABEL.fullmatch(value))
)
PORT = Rule("a port from 1 to 65535", lambda value: _is_number(value, 1, 65535))
MINION = Rule(
    "a minion id",
    lambda value: isinstance(value, str) and bool(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", value)),
)
URL = Rule("an http or https address without a password in it", _is_url)
MODE = one_of(*MODES)
SIDE = one_of("source", "target")
SECONDS = Rule("a number of seconds", lambda value: _is_number(value, 1, 10**9))
BEACON = Rule(
    "a number of seconds from 5 to 3600",
    lambda value: _is_number(value, 5, 3600),
    "each look may hold its minion up for two seconds; null switches it off",
)
BUDGET = Rule("a number from 0 to 1000", lambda value: _is_number(value, 0, 1000))
CHANNEL = Rule(
    "the name of a channel, of small letters, digits, hyphens and underscores",
    lambda value: isinstance(value, str) and bool(re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", value)),
    "leave out the #",
)
ANY = Rule("a value", lambda value: True)

SECRET = {
    "kind": one_of(*LENGTHS, GIVEN),
    "length": Rule(
        LENGTH, is_length, "leave it out: each kind has a length of its own", public=True
    ).or_null(),
    "alphabet": Rule(
        ALPHABET, is_alphabet, "leave it out: ASCII letters and digits are drawn from"
    ).or_null(),
    "readers": Listing(ID),
}
CONDITION = Fields({"service": ID, "setting": TEXT, "is": Listing(ANY)})

SERVER = {
    "address": HOST,
    "minion": MINION,
    "fqdn": DOMAIN,
    "services": Listing(ID),
}
SERVICE = {
    "name": TEXT,
    "layer": one_of(*LAYERS),
    "server": MINION.or_null(),
    "phase": PHASE,
    "public_name": LABEL.or_null(),
    "ports": Entries(TEXT, PORT),
    "units": Listing(TEXT),
    "needs": Listing(ID),
    "settings": Settings(),
    "enabled": FLAG,
    "supported": FLAG,
    "mode": MODE,
    "external": Fields(
        {"address": HOST, "url": URL.or_null(), "speaker": MINION, "access": one_of(*ACCESSES)}, nullable=True
    ),
    "remark": TEXT.or_null(),
    "companions": Entries(TEXT, TEXT),
    "secrets": Entries(ID, Fields({**SECRET, "purpose": one_of(*PURPOSES)})),
}
INTEGRATION = {
    "number": Rule("a number from 1 on", lambda value: _is_number(value, 1, 10**6)),
    "kind": ID,
    "source": ID,
    "target": ID,
    "title": TEXT,
    "protocol": TEXT,
    "direction": one_of("push", "pull", "both"),
    "trigger": TEXT,
    "owner": one_of("source", "target", "both"),
    "needs": Listing(ID),
    "waits": SIDE.or_null(),
    "mode": MODE,
    "probe": one_of("read", "write", "visible", "disruptive"),
    "settings": Settings(),
    "secret": Fields({**SECRET, "id": ID, "producer": SIDE.or_null()}, nullable=True),
    "realised_via": TEXT.or_null(),
    "engine": TEXT.or_null(),
    "not_applicable": Fields({"reason": TEXT, "when": CONDITION, "unless": CONDITION}, nullable=True),
    "enabled": FLAG,
    "supported": FLAG,
    "orchestration": TEXT.or_null(),
}
STACK = Fields(
    {
        "domain": DOMAIN,
        "realm": Rule(
            "a realm name of letters, digits, dots, hyphens and underscores",
            lambda value: isinstance(value, str) and bool(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", value)),
        ),
        "kerberos_realm": Rule(
            "a Kerberos realm in capitals such as IT-STACK.LAB",
            lambda value: isinstance(value, str) and bool(re.fullmatch(r"[A-Z0-9][A-Z0-9.-]*", value)),
        ).or_null(),
        "base_dn": Rule(
            "a base DN such as dc=it-stack,dc=lab",
            lambda value: isinstance(value, str) and bool(_DN.fullmatch(value)),
        ).or_null(),
        "ca_file": Rule("an absolute path", lambda value: isinstance(value, str) and value.startswith("/")),
        "mode": MODE,
        "only": Listing(ID, nullable=True),
        "sandbox": Fields({"person": TEXT.or_null(), "group": TEXT.or_null(), "channel": TEXT.or_null()}),
        "periods": Fields(
            {
                "enforce": SECONDS.or_null(),
                "splay": SECONDS,
                "verify": SECONDS,
                "beacon": BEACON.or_null(),
            }
        ),
        "repairs": Fields(
            {
                "cooldown": SECONDS,
                "budget_per_hour": BUDGET,
                "budget_of_all": BUDGET,
                "fight_hold": SECONDS,
                "channel": CHANNEL.or_null(),
            }
        ),
        "servers": Entries(MINION, Fields(SERVER), removable=True),
        "services": Entries(ID, Fields(SERVICE)),
        "integrations": Entries(ID, Fields(INTEGRATION)),
    }
)


def is_sensitive(key: Any) -> bool:
    """Whether a value under this key may be a secret."""
    return isinstance(key, str) and bool(_SENSITIVE.search(key))


def shown(value: Any, path: Iterable[Any] = ()) -> Any:
    """A value as a message may show it: short, and never one that could be a secret."""
    if any(is_sensitive(key) for key in path):
        return HIDDEN
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, str):
        if "@" in value and "://" in value:
            return HIDDEN
        return value if len(value) <= 60 else value[:57] + "..."
    if value is None:
        return "null"
    if isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < 10**18):
        return value
    return f"a value of type {type(value).__name__}"


def dotted(path: Iterable[Any]) -> str:
    """A path of keys as a person writes it."""
    return ".".join(str(key) if len(str(key)) <= 60 else str(key)[:57] + "..." for key in path)


def check(node: Any, value: Any, path: tuple[Any, ...], file: str, problems: list[Problem]) -> Any:
    """The value without what is wrong in it; what is wrong is added to the problems."""

    def refuse(message: str, remedy: str = "") -> Any:
        hidden_by = () if isinstance(node, Rule) and node.public else path
        problems.append(Problem(file, dotted(path), shown(value, hidden_by), message, remedy))
        return OMIT

    if isinstance(node, Rule):
        return value if node.accepts(value) else refuse(f"expected {node.expected}", node.remedy)
    if value is None and getattr(node, "nullable", False):
        return None
    if isinstance(node, Listing):
        if not isinstance(value, (list, tuple)):
            return refuse("expected a list", "write [one, two]")
        items = [check(node.item, item, (*path, index), file, problems) for index, item in enumerate(value)]
        return [item for item in items if item is not OMIT]
    if not isinstance(value, Mapping):
        switch = len(path) == 2 and path[0] in ("services", "integrations")
        return refuse(
            "expected a mapping", "to switch it off write enabled: false" if switch else "write key: value"
        )
    if isinstance(node, Settings):
        return _check_settings(value, path, file, problems)
    kept: dict[Any, Any] = {}
    for key, item in value.items():
        here = (*path, key)
        if isinstance(node, Fields):
            if key not in node.keys:
                problems.append(Problem(file, dotted(here), None, "unknown key", nearest(key, node.keys)))
                continue
            child = node.keys[key]
        else:
            if not node.key.accepts(key):
                problems.append(Problem(file, dotted(here), None, f"the key must be {node.key.expected}"))
                continue
            child = node.value
            if item is None and node.removable:
                kept[key] = None
                continue
        result = check(child, item, here, file, problems)
        if result is not OMIT:
            kept[key] = result
    return kept


def _check_settings(
    value: Mapping[Any, Any], path: tuple[Any, ...], file: str, problems: list[Problem]
) -> dict[str, Any]:
    """Settings are free, but their keys are texts and no secret stands in them in clear."""
    kept: dict[str, Any] = {}
    for key, item in value.items():
        here = (*path, key)
        if not isinstance(key, str):
            problems.append(Problem(file, dotted(here), None, "the key must be a text", "put it in quotes"))
        elif isinstance(item, Mapping):
            kept[key] = _check_settings(item, here, file, problems)
        elif is_sensitive(key) and not _is_reference(item):
            problems.append(
                Problem(
                    file,
                    dotted(here),
                    HIDDEN,
                    "a secret in clear where a reference is expected",
                    "put it into the store and write secret://<id>, or sdb://<profile>/<key>",
                )
            )
        elif isinstance(item, (list, tuple)):
            kept[key] = [
                _check_settings(part, (*here, index), file, problems) if isinstance(part, Mapping) else part
                for index, part in enumerate(item)
            ]
        else:
            kept[key] = item
    return kept


def _is_reference(value: Any) -> bool:
    """Whether nothing secret stands here: nothing at all, a switch, or the reference to a secret."""
    if value is None or isinstance(value, bool):
        return True
    return isinstance(value, str) and (value == "" or value.startswith(REFERENCES))
