"""How FreeIPA's values are compared: nearly each comes as a list of texts, whatever it is."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Mapping
from typing import Any

from ...reconcile import caseless, text, unordered


def _only(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        value = value[0] if value else None
    # Names of the DNS, times and binary values are objects on the wire.
    return next(iter(value.values()), None) if isinstance(value, Mapping) else value


def single(value: Any) -> Any:
    """One value that comes as a list of one text."""
    return text(_only(value))


def folded(value: Any) -> Any:
    """One text whose case doesn't matter."""
    found = single(value)
    return None if found is None else found.casefold()


def number(value: Any) -> Any:
    """A whole number, which comes as a list of one text."""
    found = single(value)
    return int(found) if found is not None and found.lstrip("-").isdigit() else found


def flag(value: Any) -> Any:
    """A boolean: bare, in a list, or as text on servers before 4.10."""
    return str(single(value)).upper() == "TRUE"


def moment(value: Any) -> Any:
    """A time: LDAP's form, as an object of the wire, as a date or an ISO text. UTC to the second."""
    value = _only(value)
    if isinstance(value, datetime.datetime):
        if value.tzinfo:
            value = value.astimezone(datetime.UTC)
        return value.strftime("%Y%m%d%H%M%SZ")
    if isinstance(value, datetime.date):
        return value.strftime("%Y%m%d000000Z")
    if isinstance(value, str) and value and not _is_ldap_time(value):
        return moment(datetime.datetime.fromisoformat(value.replace("Z", "+00:00")))
    return value or None


def public_keys(value: Any) -> Any:
    """SSH public keys, whose order and blanks the server doesn't keep."""
    return unordered([" ".join(str(item).split()) for item in value or ()])


def host_names(value: Any) -> Any:
    """Names of hosts or of the DNS, in any order, case and with or without a final dot."""
    return sorted(str(_only(item)).casefold().rstrip(".") for item in value or ()) or None


def mask(value: Any) -> str:
    """A network as FreeIPA keeps it, without the part of a host in it. Raises :class:`ValueError`."""
    return str(ipaddress.ip_network(str(value).strip(), strict=False))


def masks(value: Any) -> Any:
    """Networks in any order, with or without the part of a host in them."""
    return sorted(_mask_or_text(item) for item in value or ()) or None


def _mask_or_text(value: Any) -> str:
    # Whoever wrote to the directory itself may have left anything there.
    try:
        return mask(value)
    except ValueError:
        return str(value)


def principals(value: Any) -> Any:
    """Kerberos principals, in any order and case, with or without the realm."""
    return sorted(str(item).casefold().partition("@")[0] for item in value or ()) or None


def networks(value: Any) -> Any:
    """A list of networks as the DNS server reads it, with or without a final semicolon."""
    found = single(value) or ""
    return "; ".join(part.strip() for part in found.split(";") if part.strip()) or None


def is_posix(value: Any) -> Any:
    """Whether a group is a POSIX group: declared as a boolean, found among the object classes."""
    if isinstance(value, bool):
        return value
    return "posixgroup" in {str(item).casefold() for item in value or ()}


def _is_ldap_time(value: str) -> bool:
    return len(value) == 15 and value[:-1].isdigit() and value.endswith("Z")


#: Comparisons of fields that hold several values.
LISTS = (unordered, caseless, public_keys, host_names, masks, principals)
