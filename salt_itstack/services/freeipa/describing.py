"""What is on a server, as the states that would make it so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import Unsupported
from .guarding import Guard
from .kinds import LISTS, Kind, flag, is_posix, number, single
from .names import DNS_RECORD, DNS_ZONE, in_zone
from .resources import KINDS
from .workspace import Workspace

#: What FreeIPA lets hosts change in a new zone.
_USUAL_POLICY = re.compile(
    r"grant (\S+) krb5-self \* A; grant \1 krb5-self \* AAAA; grant \1 krb5-self \* SSHFP;"
    r"|grant \S+ krb5-subdomain \S+ PTR;"
)


def describe(
    workspace: Workspace, guard: Guard, kinds: Iterable[str], secrets: bool = False, numbers: bool = False
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """
    States for everything on a server that it didn't make itself.

    kinds
        Names of :data:`KINDS`.
    secrets
        With a reference for each secret that the server doesn't give back.
    numbers
        With the numbers of people and groups, which a new server would give out anew.

    What the server fills in by itself is left out. Kinds that the server doesn't have are passed over.
    """
    chosen = set(kinds)
    states: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for kind in KINDS.values():
        if kind.name not in chosen:
            continue
        try:
            if kind is DNS_RECORD:
                states.update(_records(workspace, guard))
                continue
            found = _objects(workspace, guard, kind, secrets, numbers)
        except Unsupported:
            continue
        if found:
            states[f"freeipa: {kind.plural.replace('_', ' ')}"] = {
                f"itstack_freeipa.{kind.plural}_present": [{kind.plural: found}]
            }
    return states


def _records(workspace: Workspace, guard: Guard) -> dict[str, dict[str, list[dict[str, Any]]]]:
    states: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for zone in sorted(workspace.entries(DNS_ZONE)):
        found = _objects(workspace, guard, in_zone(zone), False, False)
        if found:
            states[f"freeipa: dns records of {zone}"] = {
                "itstack_freeipa.dns_records_present": [{"zone": zone}, {"dns_records": found}]
            }
    return states


def _objects(
    workspace: Workspace, guard: Guard, kind: Kind, secrets: bool, numbers: bool
) -> dict[str, dict[str, Any]]:
    defaults = _Defaults(workspace) if kind.name == "user" else None
    described: dict[str, dict[str, Any]] = {}
    for identity, entry in sorted(workspace.entries(kind).items()):
        name = kind.key(entry)
        if kind.is_builtin(name):
            # What people changed of it is theirs, and may matter: a disabled allow_all.
            usual = {kind.identity(one): values for one, values in kind.builtin.items()}
            fields = _fields(kind, entry, usual.get(identity, {}), False)
            fields = {key: value for key, value in fields.items() if key in usual.get(identity, {})}
            if fields:
                described[name] = fields
            continue
        if guard.against(kind, name, entry) and kind.name != "user" and name != "@":
            continue
        usual_values = defaults.of(name, entry) if defaults else _usual(kind, name, guard.host)
        fields = _fields(kind, entry, usual_values, numbers)
        for short, long in (("type", "subtree"), ("target_group", "target")):
            # What the one says is read as the other, too.
            if short in fields:
                fields.pop(long, None)
        if "force" in kind.once:
            # Whether the DNS knows it by then is another matter.
            fields["force"] = True
        if kind.name == "dns_zone":
            fields.update({option: True for option in kind.once})
            if _USUAL_POLICY.fullmatch(str(fields.get("update_policy"))):
                del fields["update_policy"]
        if kind.name == "dns_record" and not fields:
            continue
        for secret in kind.secrets if secrets and kind.name != "host" else ():
            fields[secret] = f"secret://freeipa-{kind.name.replace('_', '-')}-{name}"
        described[name.partition("@")[0] if kind.name == "service" else name] = fields
    return described


def _usual(kind: Kind, name: str, host: str) -> dict[str, Any]:
    """What the server fills in on creation."""
    usual: dict[str, Any] = {"enabled": True, "posix": True, "bind_rule": "permission", "grace_logins": -1}
    if kind.name == "service":
        usual["managed_by"] = [name.partition("@")[0].partition("/")[2]]
    if kind.name == "dns_zone":
        usual.update(
            soa_nameserver=f"{host}.", administrator="hostmaster", soa_refresh=3600, soa_retry=900,
            soa_expire=1209600, soa_minimum=3600, allow_query="any;", allow_transfer="none;",
        )  # fmt: skip
    return usual


class _Defaults:
    """What a server fills in for a new person."""

    def __init__(self, workspace: Workspace) -> None:
        settings = workspace.settings()
        self._domain = single(settings.get("ipadefaultemaildomain"))
        self._homes = single(settings.get("ipahomesrootdir")) or "/home"
        self._shell = single(settings.get("ipadefaultloginshell"))

    def of(self, name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
        first, last = str(entry.get("givenname") or ""), str(entry.get("sn") or "")
        full = f"{first} {last}"
        return {
            "full_name": full, "display_name": full, "gecos": full, "initials": first[:1] + last[:1],
            "home_directory": f"{self._homes}/{name}", "login_shell": self._shell,
            "mail": [f"{name}@{self._domain}"] if self._domain else [], "enabled": True,
        }  # fmt: skip


def _fields(kind: Kind, entry: Mapping[str, Any], usual: Mapping[str, Any], numbers: bool) -> dict[str, Any]:
    described: dict[str, Any] = {}
    for name, spec in kind.resource.fields.items():
        # Memberships show where the members are; numbers and expiry follow from other things.
        if not spec.readable or name in kind.memberships or name == "password_expires":
            continue
        if name in ("user_number", "group_number") and not numbers:
            continue
        value = _declared(kind, name, spec.read(entry))
        if spec.compare(value) == spec.compare(usual.get(name)):
            continue
        if value is None and name not in usual:
            continue
        described[name] = value if value is not None else ([] if spec.compare in LISTS else "")
    return described


def _declared(kind: Kind, name: str, value: Any) -> Any:
    spec = kind.resource.fields[name]
    if spec.compare is is_posix:
        return is_posix(value)
    if spec.compare is flag:
        return None if value is None else flag(value)
    if spec.compare is number:
        return number(value)
    if spec.compare in LISTS:
        values = [single(one) for one in value or ()]
        if name in ("services",) and kind.name in ("group", "role"):
            values = [one.partition("@")[0] for one in values]
        return sorted(values) or None
    return single(value)
