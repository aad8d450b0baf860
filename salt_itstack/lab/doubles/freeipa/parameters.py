"""
The arguments and options of commands: their types, limits and names, checked as the real framework does.

A refused value is named by the parameter's command line name, a missing one by its own name.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from salt_itstack.lab.doubles.freeipa import errors
from salt_itstack.lab.doubles.freeipa.values import DnsName, Moment

Kind = Callable[[str, Any], Any]


@dataclass(frozen=True)
class Parameter:
    """
    One argument or option.

    name, cli
        Its name in requests, and the name under which a refused value is told.
    kind
        Converts a value, or raises; called with the name to tell and the value.
    many
        Whether it takes a list.
    required
        Whether a command that adds must get it.
    attribute
        Whether it's an attribute of the entry, rather than something that the command does.
    rule
        Returns what is wrong with a converted value, or nothing.
    shape
        Brings a converted value to the form that's stored.
    """

    name: str
    cli: str = ""
    kind: Kind = None  # type: ignore[assignment]
    many: bool = False
    required: bool = False
    attribute: bool = True
    rule: Callable[[Any], str | None] | None = None
    shape: Callable[[Any], Any] | None = None

    @property
    def told(self) -> str:
        return self.cli or self.name

    def optional(self) -> Parameter:
        """The same parameter for commands that needn't get it."""
        return replace(self, required=False)

    def convert(self, value: Any) -> Any:
        """The value in its stored form; None where it's empty, which means that nothing shall be there."""
        if self.many:
            given = value if isinstance(value, (list, tuple)) else [value]
            values = [self._one(one) for one in given if one not in (None, "")]
            return values or None
        if isinstance(value, (list, tuple)):
            if len(value) != 1:
                raise errors.conversion(self.told, "Only one value is allowed")
            value = value[0]
        return None if value is None or value == "" else self._one(value)

    def _one(self, value: Any) -> Any:
        converted = (self.kind or text)(self.told, value)
        if self.shape:
            converted = self.shape(converted)
        return converted

    def check(self, value: Any) -> None:
        """Raise what is wrong with a converted value."""
        for one in value if self.many else [value]:
            if isinstance(one, str) and one != one.strip():
                raise errors.validation(self.told, "Leading and trailing spaces are not allowed")
            wrong = self.rule(one) if self.rule else None
            if wrong:
                raise errors.validation(self.told, wrong)


# --- kinds


def text(name: str, value: Any) -> str:
    if isinstance(value, DnsName):
        return str(value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise errors.conversion(name, "must be Unicode text")
    return str(value)


def integer(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise errors.conversion(name, "must be an integer")
    try:
        return int(value)
    except ValueError:
        raise errors.conversion(name, "must be an integer") from None


def truth(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "t", "1"):
        return True
    if isinstance(value, str) and value.lower() in ("false", "f", "0"):
        return False
    if value in (0, 1):
        return bool(value)
    raise errors.conversion(name, "must be True or False")


def _off(name: str, value: Any) -> bool:
    if truth(name, value):
        raise errors.unknown_option(name)
    return False


def moment(name: str, value: Any) -> Moment:
    if isinstance(value, Moment):
        return value
    if isinstance(value, str):
        for pattern, filled in (
            (r"(\d{14})Z", "{0}Z"), (r"(\d{12})Z", "{0}00Z"), (r"(\d{8})Z", "{0}000000Z"),
            (r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)Z", "{0}{1}{2}{3}{4}{5}Z"),
            (r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)Z", "{0}{1}{2}{3}{4}00Z"),
            (r"(\d{4})-(\d\d)-(\d\d)Z", "{0}{1}{2}000000Z"),
        ):  # fmt: skip
            found = re.fullmatch(pattern, value)
            if found:
                return Moment(filled.format(*found.groups()))
    known = ("%Y%m%d%H%M%SZ", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%dZ", "%Y-%m-%d %H:%M:%SZ",
             "%Y-%m-%d %H:%MZ")  # fmt: skip
    raise errors.conversion(name, f"does not match any of accepted formats: {', '.join(known)}")


def octets(name: str, value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise errors.conversion(name, "must be binary data") from None


def dns_name(name: str, value: Any) -> DnsName:
    if isinstance(value, DnsName):
        return value
    if not isinstance(value, str) or not value or ".." in value or len(value) > 255:
        raise errors.conversion(name, "empty DNS label" if isinstance(value, str) else "must be DNS name")
    return DnsName(value)


def anything(name: str, value: Any) -> Any:
    return value


# --- rules


def length(shortest: int = 0, longest: int = 0) -> Callable[[str], str | None]:
    def rule(value: str) -> str | None:
        if len(value) < shortest:
            return f"must be at least {shortest} characters"
        if longest and len(value) > longest:
            return f"can be at most {longest} characters"
        return None

    return rule


def at_least(least: int) -> Callable[[int], str | None]:
    return lambda value: f"must be at least {least}" if value < least else None


def one_of(*known: str) -> Callable[[str], str | None]:
    told = f"must be '{known[0]}'" if len(known) == 1 else f"must be one of {', '.join(map(repr, known))}"
    return lambda value: None if value in known else told


def between(least: int, most: int) -> Callable[[int], str | None]:
    def rule(value: int) -> str | None:
        if value < least:
            return f"must be at least {least}"
        return f"can be at most {most}" if value > most else None

    return rule


def account_name(kind: str) -> Callable[[str], str | None]:
    def rule(value: str) -> str | None:
        if len(value) > 255:
            return "can be at most 255 characters"
        if re.fullmatch(r"(?!\d+$)[A-Za-z0-9_.][A-Za-z0-9_.-]*\$?", value):
            return None
        return (
            "may only include letters, numbers, _, -, . and $, refer to"
            f" 'ipa help {kind}' for complete format description"
        )

    return rule


# --- what many commands share

ALL = Parameter("all", kind=truth, attribute=False)
RAW = Parameter("raw", kind=truth, attribute=False)
VERSION = Parameter("version", attribute=False)
NO_MEMBERS = Parameter("no_members", kind=truth, attribute=False)
SETATTR = Parameter("setattr", many=True, attribute=False)
ADDATTR = Parameter("addattr", many=True, attribute=False)
DELATTR = Parameter("delattr", many=True, attribute=False)
CONTINUE = Parameter("continue", kind=truth, attribute=False)
SIZE_LIMIT = Parameter("sizelimit", kind=integer, attribute=False, rule=at_least(0))
TIME_LIMIT = Parameter("timelimit", kind=integer, attribute=False, rule=at_least(0))
KEYS_ONLY = Parameter("pkey_only", kind=truth, attribute=False)


def unoffered(name: str) -> Parameter:
    """A switch of what the double doesn't offer: clients that send every option send it as false."""
    return Parameter(name, kind=_off, attribute=False)


RIGHTS = unoffered("rights")


def words(*names: str, many: bool = False, cli: Sequence[str] = ()) -> tuple[Parameter, ...]:
    """Text parameters, each named as in requests, or ``name:cli``."""
    return tuple(Parameter(*name.split(":"), many=many) for name in names)
