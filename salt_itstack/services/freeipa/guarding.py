"""What must not be removed: what FreeIPA made itself, what it runs on, and our own way in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import Invalid, Problem
from .kinds import Kind
from .workspace import Workspace
from .writing import Item

_INSTEAD = {
    "hbac_rule": "declare it with `enabled: false` instead",
    "user": "disable it by hand, if nobody is to use it",
}
#: Records that a zone of FreeIPA's own domain holds for its clients.
_SYSTEM_RECORDS = ("_ldap.", "_kerberos", "_kpasswd.", "_ntp.", "ipa-ca")


def _own_permission(entry: Mapping[str, Any]) -> bool:
    """Whether people made a permission: FreeIPA's own are managed by it, or from before there were such."""
    flags = {str(flag).upper() for flag in entry.get("ipapermissiontype") or ()}
    return "V2" in flags and "MANAGED" not in flags


class Guard:
    """
    What a server needs to stay usable for us.

    host, user
        The profile's server and account.
    """

    def __init__(self, workspace: Workspace, host: str, user: str) -> None:
        self._workspace, self.host, self._user = workspace, host.lower(), user.lower()
        self._of_group: dict[str, list[str]] = {}

    def against(self, kind: Kind, name: str, entry: Mapping[str, Any]) -> str:
        """Why an object, as it was found, must stay; or an empty text."""
        identity = kind.identity(name)
        if kind.is_builtin(name) or (kind.name == "permission" and not _own_permission(entry)):
            return "FreeIPA made this itself"
        if kind.name == "user":
            if identity == self._user:
                return "it is the profile's own account"
            if self._members("group", "admins", "member_user") == [identity]:
                return "it is the last member of admins"
        if kind.name in ("host", "service"):
            host = identity.rpartition("/")[2]
            if host == self.host or host in self._members("hostgroup", "ipaservers", "member_host"):
                return "it belongs to a FreeIPA server"
        if kind.name == "dns_record" and identity == "@":
            return "it is the zone itself"
        if kind.name in ("dns_zone", "dns_record"):
            zone = (kind.parent[0] if kind.parent else identity).rstrip(".")
            if self.host.endswith(f".{zone}"):
                own = self.host.removesuffix(f".{zone}")
                if kind.name == "dns_zone" or identity == own or identity.startswith(_SYSTEM_RECORDS):
                    return "FreeIPA's own names are in it"
        return ""

    def refuse(self, kind: Kind, name: str, entry: Mapping[str, Any]) -> None:
        """Raise :class:`Invalid` if an object must stay."""
        reason = self.against(kind, name, entry)
        if reason:
            remedy = _INSTEAD.get(kind.name, "take the declaration out")
            raise Invalid(
                Problem("", name, None, f"this {kind.resource.kind} isn't removed: {reason}", remedy)
            )

    def problems(self, item: Item) -> Iterable[Problem]:
        """What a change would do to our own way in."""
        kind, wanted = item.kind, item.wanted
        if kind.name == "user" and item.name == self._user and wanted.get("enabled") is False:
            yield Problem(
                "", f"{item.name}:enabled", False, "this is the profile's own account", "take it out"
            )
        if kind.name == "group" and item.name == "admins" and item.exclusive and "users" in wanted:
            present = [str(one).lower() for one in (item.found or {}).get("member_user") or ()]
            if self._user in present and self._user not in wanted["users"]:
                yield Problem(
                    "", "admins:users", wanted["users"], f"this would take out {self._user}, the profile's "
                    "own account", f"add {self._user}",
                )  # fmt: skip
            elif not wanted["users"]:
                yield Problem("", "admins:users", [], "nobody could manage FreeIPA any more", "name somebody")

    def _members(self, command: str, name: str, attribute: str) -> list[str]:
        if name not in self._of_group:
            entry = self._workspace.server.show(command, [name]) or {}
            self._of_group[name] = [str(one).lower() for one in entry.get(attribute) or ()]
        return self._of_group[name]
