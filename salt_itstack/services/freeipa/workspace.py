"""What one run has read from a FreeIPA server, and would have made in a dry run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...errors import ItstackError, Missing, Unsupported
from .api import SLICE, FreeIPA
from .directory import Accounts
from .kinds import Kind
from .resources import DNS_ZONE, SYSTEM_ACCOUNT

Entries = dict[str, dict[str, Any]]


class Workspace:
    """
    One server for one run: its session, and what was read from it.

    server
        The session.
    accounts
        Makes the way to system accounts over LDAP, for servers that have no commands for them.
    """

    def __init__(self, server: FreeIPA, accounts: Callable[[], Accounts]) -> None:
        self.server = server
        self._accounts = accounts
        self._over_ldap: Accounts | None = None
        self._found: dict[tuple[str, ...], tuple[bool, bool, Entries]] = {}
        self._planned: dict[tuple[str, ...], set[str]] = {}

    def channel(self, kind: Kind) -> FreeIPA | Accounts:
        """Who takes this kind's calls. Known once the kind has been read."""
        return self._over_ldap if kind is SYSTEM_ACCOUNT and self._over_ldap else self.server

    def entries(self, kind: Kind, fields: Iterable[str] | None = None) -> Entries:
        """
        All objects of a kind by their names' identity, read once.

        fields
            The fields that matter; ``None`` means all. Leaving costly ones out makes a large read cheap.
        """
        names = None if fields is None else set(fields)
        whole = names is None or not kind.brief or bool(names - kind.brief)
        members = bool(kind.additive) and (names is None or bool(names & set(kind.additive)))
        place = (kind.command, *kind.parent)
        had_whole, had_members, found = self._found.get(place, (False, False, None))
        if found is not None and had_whole >= whole and had_members >= members:
            return found
        whole, members = whole or had_whole, members or had_members
        rows = self._read(kind, whole, members if kind.additive else None)
        entries = {kind.identity(kind.key(row)): kind.plain(row) for row in rows}
        self._found[place] = (whole, members, entries)
        return entries

    def known(self, kind: Kind, name: str) -> bool:
        """Whether an object would be there because an earlier state of this dry run would make it."""
        return kind.identity(name) in self._planned.get((kind.command, *kind.parent), ())

    def plan(self, kind: Kind, names: Iterable[str]) -> None:
        """Remember what a dry run would make."""
        self._planned.setdefault((kind.command, *kind.parent), set()).update(map(kind.identity, names))

    def lacking(self, kind: Kind, names: Iterable[str]) -> list[str]:
        """Those of these names that the server doesn't have, nor would have in a dry run."""
        asked = [name for name in names if not self.known(kind, name)]
        outcomes: list[Any] = []
        for start in range(0, len(asked), SLICE):
            calls: list[Any] = [
                (f"{kind.command}_show", [name], {"no_members": True})
                for name in asked[start : start + SLICE]
            ]
            outcomes += self.server.batch(calls)
        for outcome in outcomes:
            if isinstance(outcome, ItstackError) and not isinstance(outcome, Missing):
                raise outcome
        return [name for name, outcome in zip(asked, outcomes) if isinstance(outcome, Missing)]

    def refresh(self, kind: Kind, names: Iterable[str]) -> None:
        """Take notice that these objects were written, or removed."""
        written = list(names)
        place = (kind.command, *kind.parent)
        if len(written) == 1 and place in self._found:
            # A run of many single states needn't read all again after each.
            entry = self.channel(kind).show(kind.command, kind.arguments(written[0]))
            entries = self._found[place][2]
            if entry is None:
                entries.pop(kind.identity(written[0]), None)
            else:
                entries[kind.identity(written[0])] = kind.plain(entry)
        else:
            self._found.pop(place, None)
        for other, (_, members, _) in list(self._found.items()):
            # Memberships show on both sides.
            if members and other != place:
                del self._found[other]

    def settings(self) -> Mapping[str, Any]:
        """The server's own defaults for people, as ``config_show`` gives them."""
        return self.server.call("config_show", [], {"all": True})["result"]

    def _read(self, kind: Kind, whole: bool, members: bool | None) -> list[dict[str, Any]]:
        if self.channel(kind) is self.server:
            try:
                return self.server.find(kind.command, kind.parent, whole, members)
            except Missing:
                if kind.parent and self.known(DNS_ZONE, kind.parent[0]):
                    return []
                raise
            except Unsupported:
                if kind is not SYSTEM_ACCOUNT:
                    raise
                self._over_ldap = self._accounts()
        return self.channel(kind).find(kind.command)
