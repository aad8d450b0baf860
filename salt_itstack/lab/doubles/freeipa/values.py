"""Values that JSON has no type for, and how they look in requests and answers."""

from __future__ import annotations

import base64
from typing import Any


class DnsName(str):
    """A DNS name; clients that know the type get it marked as such."""


class Moment(str):
    """A point in time as LDAP writes it, such as ``20360101000000Z``."""


# Older clients get dates and DNS names as plain text.
TYPED_MOMENTS = (2, 84)
TYPED_NAMES = (2, 88)


def encode(value: Any, version: tuple[int, int]) -> Any:
    """A value as the answer to a client of that API version carries it."""
    if isinstance(value, dict):
        return {name: encode(one, version) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(one, version) for one in value]
    if isinstance(value, bytes):
        return {"__base64__": base64.b64encode(value).decode()}
    if isinstance(value, DnsName):
        return {"__dns_name__": str(value)} if version >= TYPED_NAMES else str(value)
    if isinstance(value, Moment):
        return {"__datetime__": str(value)} if version >= TYPED_MOMENTS else str(value)
    return value


def decode(value: Any) -> Any:
    """A value as it came in a request, with marked types made real."""
    if isinstance(value, list):
        return [decode(one) for one in value]
    if isinstance(value, dict):
        if set(value) == {"__base64__"}:
            return base64.b64decode(value["__base64__"])
        if set(value) == {"__datetime__"}:
            return Moment(value["__datetime__"])
        if set(value) == {"__dns_name__"}:
            return DnsName(value["__dns_name__"])
        return {name: decode(one) for name, one in value.items()}
    return value
