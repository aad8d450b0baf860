"""
What we manage in FreeIPA, field by field. A new kind of object is one more :class:`Kind` here.

FreeIPA gives nearly every value as a list of texts; :meth:`Kind.plain` brings an entry to the shape that
people declare, so that comparisons and reports are about the value.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import Invalid, Problem
from ...reconcile import Field, Resource, caseless, creation, text, unordered


def single(value: Any) -> Any:
    """One value that comes as a list of one text."""
    if isinstance(value, (list, tuple)):
        value = value[0] if value else None
    return text(value)


def flag(value: Any) -> Any:
    """A boolean: bare, in a list, or as text on servers before 4.10."""
    return single(value) == "true" or str(single(value)).upper() == "TRUE"


def moment(value: Any) -> Any:
    """A time: LDAP's form, as an object of the wire, as a date or an ISO text. UTC to the second."""
    if isinstance(value, (list, tuple)):
        value = value[0] if value else None
    if isinstance(value, Mapping):
        value = value.get("__datetime__")
    if isinstance(value, datetime.datetime):
        if value.tzinfo:
            value = value.astimezone(datetime.UTC)
        return value.strftime("%Y%m%d%H%M%SZ")
    if isinstance(value, datetime.date):
        return value.strftime("%Y%m%d000000Z")
    if isinstance(value, str) and value and not _is_ldap_time(value):
        return moment(datetime.datetime.fromisoformat(value.replace("Z", "+00:00")))
    return value or None


def is_posix(value: Any) -> Any:
    """Whether a group is a POSIX group: declared as a boolean, found among the object classes."""
    if isinstance(value, bool):
        return value
    return "posixgroup" in {str(item).casefold() for item in value or ()}


def _is_ldap_time(value: str) -> bool:
    return len(value) == 15 and value[:-1].isdigit() and value.endswith("Z")


@dataclass(frozen=True)
class Kind:
    """
    A kind of FreeIPA object, and the commands behind it.

    command
        Prefix of its commands: ``user`` for ``user_add``.
    resource
        What we manage of it.
    required
        Fields that the server wants on creation.
    members
        Fields that hold members, written by member commands: our name to the member kind on the wire.
    memberships
        Fields that hold the groups that the object is in: our name to the command prefix of those.
    identifiers
        Fields that hold names, which the server lower-cases.
    """

    command: str
    resource: Resource
    required: tuple[str, ...] = ()
    members: Mapping[str, str] = field(default_factory=dict)
    memberships: Mapping[str, str] = field(default_factory=dict)
    identifiers: tuple[str, ...] = ()

    @property
    def additive(self) -> tuple[str, ...]:
        """Fields whose declared values are added to what is there."""
        return (*self.members, *self.memberships)

    def key(self, entry: Mapping[str, Any]) -> str:
        """The natural key of an entry."""
        return str(single(entry.get(self.resource.key)))

    def plain(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """An entry with single values instead of lists of one."""
        result = dict(entry)
        for spec in self.resource.fields.values():
            name = spec.keys[0]
            if spec.compare in (single, moment) and name in result:
                result[name] = spec.compare(result[name])
        return result

    def prepared(self, name: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """
        Declared values as the server will keep them.

        name
            The object's name, for messages.

        Raises :class:`Invalid` with everything that the server would refuse or silently change.
        """
        self.resource.check(wanted)
        result = dict(wanted)
        problems = []
        for key, value in wanted.items():
            spec = self.resource.fields[key]
            place = f"{name}:{key}"
            if spec.compare in (unordered, caseless):
                result[key] = [value] if isinstance(value, str) else [str(item) for item in value]
                if key in self.identifiers:
                    result[key] = [item.lower() for item in result[key]]
            elif spec.compare is moment:
                try:
                    result[key] = moment(value)
                except ValueError:
                    problems.append(
                        Problem("", place, value, "this isn't a time", "write it as 2036-01-01T00:00:00Z")
                    )
            elif spec.compare is single and spec.readable:
                result[key] = "" if value is None else str(value)
        for address in result.get("mail", ()) if "mail" in self.resource.fields else ():
            if "@" not in address:
                problems.append(
                    Problem(
                        "", f"{name}:mail", address, "FreeIPA would add its own domain to this",
                        "write the whole address",
                    )
                )  # fmt: skip
        if problems:
            raise Invalid(problems)
        return result

    def predicted(self, name: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """What making this object will change on a server that isn't there yet. Raises :class:`Invalid`."""
        result = self.prepared(name, wanted)
        self.lacking(name, result)
        return creation(self.resource, result)

    def lacking(self, name: str, wanted: Mapping[str, Any]) -> None:
        """Raise :class:`Invalid` for required fields that nobody declared."""
        missing = [item for item in self.required if not wanted.get(item)]
        if missing:
            raise Invalid(
                Problem(
                    "", f"{name}:{', '.join(missing)}", None,
                    f"a {self.resource.kind} can't be made without this", "declare it",
                )
            )  # fmt: skip


#: ``all: true`` gives all of these. Defaults that the server fills in (cn, gecos, initials…) are only
#: managed where declared: a later change of the first name doesn't move them.
USER = Kind(
    command="user",
    resource=Resource(
        kind="person",
        key="uid",
        fields={
            "first_name": Field("givenname", single),
            "last_name": Field("sn", single),
            "full_name": Field("cn", single),
            "display_name": Field("displayname", single),
            "mail": Field("mail", caseless),
            "telephone_numbers": Field("telephonenumber", unordered),
            "title": Field("title", single),
            "department": Field("ou", single),
            "employee_number": Field("employeenumber", single),
            "login_shell": Field("loginshell", single),
            "home_directory": Field("homedirectory", single),
            "password": Field("userpassword", secret=True, readable=False),
            "password_expires": Field("krbpasswordexpiration", moment),
            "groups": Field("memberof_group", caseless),
        },
    ),
    required=("first_name", "last_name"),
    memberships={"groups": "group"},
    identifiers=("groups",),
)

GROUP = Kind(
    command="group",
    resource=Resource(
        kind="group",
        key="cn",
        fields={
            "description": Field("description", single),
            "posix": Field("objectclass", is_posix),
            # Direct members; nested ones are under memberindirect_*.
            "users": Field("member_user", caseless),
            "groups": Field("member_group", caseless),
        },
    ),
    members={"users": "user", "groups": "group"},
    identifiers=("users", "groups"),
)

#: From FreeIPA 4.13 on. Not a POSIX account and no Kerberos principal: it can bind, and nothing else.
SYSTEM_ACCOUNT = Kind(
    command="sysaccount",
    resource=Resource(
        kind="system account",
        key="uid",
        fields={
            "description": Field("description", single),
            # Kept in cn=config, so of this one server only.
            "privileged": Field("privileged", flag),
            "password": Field("userpassword", secret=True, readable=False),
        },
    ),
    required=("password",),
)


def cycle(groups: Mapping[str, Mapping[str, Any]], name: str, members: Iterable[str]) -> list[str]:
    """
    The way back to a group from one of its members-to-be, or an empty list.

    groups
        All groups by name, with ``member_group``.
    name
        The group that gets members.
    members
        Groups that are to be in it.

    FreeIPA refuses only a group in itself, and accepts longer cycles.
    """
    start = name.lower()
    ways = [[start, item.lower()] for item in members]
    seen = set()
    while ways:
        way = ways.pop()
        if way[-1] == start:
            return way
        if way[-1] not in seen:
            seen.add(way[-1])
            inner = groups.get(way[-1], {}).get("member_group") or ()
            ways += [[*way, str(item).lower()] for item in inner]
    return []
