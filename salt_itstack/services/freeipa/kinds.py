"""
What a kind of FreeIPA object is: how its values look when people declare them, and which commands write them.

FreeIPA gives nearly every value as a list of texts; :meth:`Kind.plain` brings an entry to the shape that
people declare, so that comparisons and reports are about the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import Invalid, Problem
from ...reconcile import Changes, Field, Resource, diff
from .values import LISTS, flag, folded, is_posix, mask, masks, moment, networks, number, single


@dataclass(frozen=True)
class Link:
    """
    Members of an object, which commands of their own write.

    suffix
        Behind ``_add_`` and ``_remove_`` in the command: ``member`` for ``group_add_member``.
    option
        The option that names the members: ``user``.
    slices
        How many members go into one call.
    """

    suffix: str
    option: str
    slices: int = 100


#: What most kinds have.
DESCRIPTION = Field("description", single)
MEMBER = {name: Link("member", name) for name in ("user", "group", "host", "hostgroup", "service")}


def account_name(longest: int) -> Callable[[str], str]:
    """What is wrong with the name of a person or a group."""

    def wrong(name: str) -> str:
        if len(name) > longest:
            return f"it has {len(name)} characters, and can have {longest}"
        if not re.fullmatch(r"(?!\d+$)[A-Za-z0-9_.][A-Za-z0-9_.-]*\$?", name):
            return "only letters, digits, _, -, . are allowed, no - in front, and not digits alone"
        return ""

    return wrong


def option(name: str) -> Callable[[Any], dict[str, Any]]:
    """A flag that is said on creation."""
    return lambda value: {name: bool(value)}


def _any_name(name: str) -> str:
    return ""


@dataclass(frozen=True)
class Kind:
    """
    A kind of FreeIPA object, and the commands behind it.

    name, plural
        What people call one and several in states: ``sudo_rule`` for ``sudo_rule_present``.
    command
        Prefix of its commands: ``user`` for ``user_add``.
    resource
        What we manage of it.
    required
        Fields that the server wants on creation.
    members
        Fields that hold members: our name, and how they are written.
    memberships
        Fields that hold what the object itself is a member of: our name to the command prefix of those.
    identifiers
        Fields that hold names, which the server lower-cases.
    switch
        The server's attribute behind the field ``enabled``, which two commands write.
    late
        Fields that are written after all others.
    undone
        Those of them that a new secret undoes.
    filled
        Fields that the server fills in on creation; declared empty, they are emptied after it.
    once
        What is only said on creation, and never compared: our name to the options that it becomes.
    special
        Fields that aren't written by their path: the options for a value, and whether the object is new.
    brief
        Fields that a search gives without ``all``, where leaving the others out is much cheaper.
    categories
        Fields that are ``all`` or nothing, and the members that the former excludes.
    external
        Fields with names that the server doesn't have itself, and the field for those that it has.
    nested
        The field with members of this same kind, which must not go in circles.
    builtin
        Objects that the server made: their names, and what ours to change has by default.
    identity
        The form of a name in which two of the same object are equal.
    wrong
        What is wrong with a name, or an empty text.
    checks
        Further rules: called with the name, the wanted fields and the entry; give problems.
    parent
        Arguments before the key, such as a record's zone.
    unnamed
        The object that the commands mean where they get no key.
    """

    name: str
    plural: str
    command: str
    resource: Resource
    required: tuple[str, ...] = ()
    members: Mapping[str, Link] = field(default_factory=dict)
    memberships: Mapping[str, str] = field(default_factory=dict)
    identifiers: tuple[str, ...] = ()
    switch: str = ""
    late: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()
    once: Mapping[str, Callable[[Any], dict[str, Any]]] = field(default_factory=dict)
    special: Mapping[str, Callable[[Any, bool], dict[str, Any]]] = field(default_factory=dict)
    brief: frozenset[str] = frozenset()
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    external: Mapping[str, str] = field(default_factory=dict)
    nested: str = ""
    builtin: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    identity: Callable[[str], str] = str.casefold
    wrong: Callable[[str], str] = _any_name
    checks: tuple[Callable[[str, Mapping[str, Any], Mapping[str, Any] | None], Iterable[Problem]], ...] = ()
    parent: tuple[str, ...] = ()
    unnamed: str = ""

    @property
    def additive(self) -> tuple[str, ...]:
        """Fields whose declared values are added to what is there."""
        return (*self.members, *self.memberships)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Fields that hold secrets."""
        return tuple(name for name, spec in self.resource.fields.items() if spec.secret)

    def arguments(self, name: str) -> list[str]:
        """What names an object in its commands."""
        return [] if self.unnamed and name == self.unnamed else [*self.parent, name]

    def is_builtin(self, name: str) -> bool:
        """Whether the server itself made this."""
        return self.identity(name) in {self.identity(known) for known in self.builtin} or (
            # Permissions that come with the server, and are written anew by its upgrades.
            self.name == "permission" and name.casefold().startswith("system: ")
        )

    def key(self, entry: Mapping[str, Any]) -> str:
        """The natural key of an entry."""
        return str(single(entry.get(self.resource.key)))

    def plain(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """An entry with single values instead of lists of one."""
        result = dict(entry)
        for spec in self.resource.fields.values():
            name = spec.keys[0]
            if name in result and spec.compare in (single, number, moment, flag, folded, networks):
                as_text = spec.compare in (folded, networks)
                result[name] = (single if as_text else spec.compare)(result[name])
        if self.switch:
            # The one says that an account is locked, the others that a rule is in force.
            result["enabled"] = flag(entry.get(self.switch)) != (self.switch == "nsaccountlock")
        return result

    def prepared(self, name: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """
        Declared values as the server will keep them.

        name
            The object's name, for messages.

        Raises :class:`Invalid` with everything that the server would refuse or silently change.
        """
        problems: list[Problem | str] = []
        known = dict(self.resource.fields)
        try:
            self.resource.check(key for key in wanted if key not in self.once)
        except Invalid as error:
            problems += [
                Problem("", f"{name}:{one.key}", one.value, one.message, one.remedy)
                for one in error.problems
                if isinstance(one, Problem)
            ]
        result = dict(wanted)
        for key, value in wanted.items():
            if key in known:
                try:
                    result[key] = self._as_kept(key, value)
                except ValueError as error:
                    shown = None if known[key].secret else value
                    problems.append(Problem("", f"{name}:{key}", shown, error.args[0], *error.args[1:]))
        for address in result.get("mail") or () if "mail" in known else ():
            if isinstance(address, str) and "@" not in address:
                problems.append(
                    Problem(
                        "", f"{name}:mail", address, "FreeIPA would add its own domain to this",
                        "write the whole address",
                    )
                )  # fmt: skip
        if problems:
            raise Invalid(problems)
        return result

    def _as_kept(self, key: str, value: Any) -> Any:
        spec = self.resource.fields[key]
        if spec.compare in LISTS:
            values = [value] if isinstance(value, (str, int)) and not isinstance(value, bool) else value
            if not isinstance(values, (list, tuple)) or any(
                isinstance(item, (bool, dict, list)) or item is None for item in values
            ):
                raise ValueError("this isn't a list of texts", "write it as [first, second]")
            texts = [str(item).strip() for item in values]
            if spec.compare is masks:
                try:
                    return [mask(item) for item in texts]
                except ValueError:
                    raise ValueError("this isn't a list of networks", "write them as 192.0.2.0/24") from None
            return [item.lower() for item in texts] if key in self.identifiers else texts
        if isinstance(value, (list, tuple, dict)):
            raise ValueError("there can be only one value here", "write a text")
        if spec.compare is moment:
            try:
                return moment(value)
            except ValueError:
                raise ValueError("this isn't a time", "write it as 2036-01-01T00:00:00Z") from None
        if spec.compare in (flag, is_posix):
            if not isinstance(value, bool):
                raise ValueError("this isn't true or false", "write true or false")
            return value
        if spec.compare is number and value not in (None, ""):
            try:
                return int(str(value))
            except ValueError:
                raise ValueError("this isn't a whole number", "write a whole number") from None
        if not spec.readable:
            return value
        if isinstance(value, bool):
            raise ValueError("this is a boolean", "write a text, in quotes")
        return "" if value is None else str(value).strip()

    def problems(
        self, name: str, wanted: Mapping[str, Any], found: Mapping[str, Any] | None, exclusive: bool = False
    ) -> list[Problem]:
        """
        What can be said against prepared values without asking the server any more.

        found
            The entry as :meth:`plain` gives it, or ``None`` for a new one.
        exclusive
            Whether members that aren't declared will be removed.
        """
        told = []
        if found is None:
            wrong = self.wrong(name)
            if wrong:
                told.append(
                    Problem(
                        "", name, None, f"this is no name of a {self.resource.kind}: {wrong}", "correct it"
                    )
                )
            told += self._lacking(name, wanted)
        for category, fields in self.categories.items():
            told += self._excluded(name, category, fields, wanted, found, exclusive)
        for check in self.checks:
            told += check(name, wanted, found)
        return told

    def _lacking(self, name: str, wanted: Mapping[str, Any]) -> list[Problem]:
        missing = [item for item in self.required if wanted.get(item) in (None, "", [])]
        if not missing:
            return []
        return [
            Problem(
                "", f"{name}:{', '.join(missing)}", None,
                f"a {self.resource.kind} can't be made without this", "declare it",
            )
        ]  # fmt: skip

    def _excluded(
        self,
        name: str,
        category: str,
        fields: tuple[str, ...],
        wanted: Mapping[str, Any],
        found: Mapping[str, Any] | None,
        exclusive: bool,
    ) -> list[Problem]:
        spec = self.resource.fields[category]
        chosen = wanted[category] if category in wanted else single(spec.read(found or {}))
        told = []
        if wanted.get(category) not in (None, "", "all"):
            told.append(
                Problem("", f"{name}:{category}", chosen, "this is all or nothing", "write all, or ''")
            )
        if chosen != "all":
            return told
        for key in fields:
            kept = None if found is None or (exclusive and key in wanted) else found
            present = self.resource.fields[key].read(kept) if kept else None
            if wanted.get(key) or (present and category in wanted):
                told.append(
                    Problem(
                        "", f"{name}:{key}", wanted.get(key) or present,
                        f"{category} is all, which leaves no place for these",
                        f"take one of them out, or remove them with `{key}: []` and `exclusive: true`",
                    )
                )  # fmt: skip
        return told

    def predicted(self, name: str, wanted: Mapping[str, Any]) -> Changes:
        """What making this object will change on a server that isn't there yet. Raises :class:`Invalid`."""
        result = self.prepared(name, wanted)
        problems = self.problems(name, result, None)
        if problems:
            raise Invalid(problems)
        return self.difference(result, None)

    def difference(
        self, wanted: Mapping[str, Any], found: Mapping[str, Any] | None, rewrite: Iterable[str] = ()
    ) -> Changes:
        """What has to change, as :func:`salt_itstack.reconcile.diff` says it."""
        compared = {key: value for key, value in wanted.items() if key not in self.once}
        changes = diff(self.resource, compared, found, rewrite)
        if found is None:
            # A new object isn't empty, nor switched off.
            changes.update(
                (key, {"old": None, "new": value})
                for key, value in wanted.items()
                if (key in self.filled and value in ("", [])) or (key == "enabled" and value is False)
            )
        return changes


def cycle(groups: Mapping[str, Iterable[str]], name: str, members: Iterable[str]) -> list[str]:
    """
    The way back to a group from one of its members-to-be, or an empty list.

    groups
        For each group the groups that are in it.
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
            ways += [[*way, str(item).lower()] for item in groups.get(way[-1]) or ()]
    return []
