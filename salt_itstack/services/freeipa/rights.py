"""Who may do what in FreeIPA itself, and what passwords must be like."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import Problem
from ...reconcile import Field, Resource, caseless, unordered
from .kinds import (
    DESCRIPTION,
    MEMBER,
    Kind,
    Link,
    folded,
    host_names,
    number,
    principals,
    single,
)


def _permission_name(name: str) -> str:
    return (
        ""
        if re.fullmatch(r"[-_ a-zA-Z0-9.]+", name)
        else "only letters, digits, -, _, . and blanks are allowed"
    )


def _not_the_system_s(
    name: str, wanted: Mapping[str, Any], found: Mapping[str, Any] | None
) -> Iterable[Problem]:
    if name.casefold().startswith("system: "):
        yield Problem(
            "", name, None, "permissions named System: belong to FreeIPA, whose upgrades write them anew",
            "make a permission of your own, and give it to the privilege instead",
        )  # fmt: skip


def _one_place(name: str, wanted: Mapping[str, Any], found: Mapping[str, Any] | None) -> Iterable[Problem]:
    for short, long in (("type", "subtree"), ("target_group", "target")):
        if wanted.get(short) and wanted.get(long):
            yield Problem(
                "", f"{name}:{long}", wanted[long], f"{short} says this already, and there can be only one",
                "take one of them out",
            )  # fmt: skip


ROLE = Kind(
    name="role",
    plural="roles",
    command="role",
    resource=Resource(
        kind="role",
        key="cn",
        fields={
            "description": DESCRIPTION,
            "privileges": Field("memberof_privilege", caseless),
            "users": Field("member_user", caseless),
            "groups": Field("member_group", caseless),
            "hosts": Field("member_host", host_names),
            "hostgroups": Field("member_hostgroup", caseless),
            "services": Field("member_service", principals),
            "system_accounts": Field("member_sysaccount", caseless),
        },
    ),
    members={
        "privileges": Link("privilege", "privilege"),
        "users": MEMBER["user"],
        "groups": MEMBER["group"],
        "hosts": MEMBER["host"],
        "hostgroups": MEMBER["hostgroup"],
        "services": MEMBER["service"],
        "system_accounts": Link("member", "sysaccount"),
    },
    identifiers=("users", "groups", "hosts", "hostgroups", "system_accounts"),
    # install/updates/45-roles.update and 73-subid.update of freeipa/freeipa.
    builtin={
        name: {"users": [], "groups": []}
        for name in (
            "helpdesk", "User Administrator", "IT Specialist", "IT Security Specialist", "Security Architect",
            "Enrollment Administrator", "Subordinate ID Selfservice User",
        )
    },
)  # fmt: skip


PRIVILEGE = Kind(
    name="privilege",
    plural="privileges",
    command="privilege",
    resource=Resource(
        kind="privilege",
        key="cn",
        fields={"description": DESCRIPTION, "permissions": Field("memberof_permission", caseless)},
    ),
    members={"permissions": Link("permission", "permission")},
    # install/updates and install/share of freeipa/freeipa: each part brings its own, so this may lack some.
    builtin={
        name: {}
        for name in (
            "ADTrust Agents", "Automember Readers", "Automember Task Administrator",
            "Automount Administrators", "CA Administrator", "Certificate Administrators",
            "Certificate Identity Mapping Administrators", "DNS Administrators", "DNS Servers",
            "Delegation Administrator", "External IdP server Administrators", "Group Administrators",
            "HBAC Administrator", "Host Administrators", "Host Enrollment", "Host Group Administrators",
            "Kerberos Ticket Policy Readers", "Modify Group membership", "Modify Users and Reset passwords",
            "Netgroups Administrators", "Passkey Administrators", "Password Policy Administrator",
            "Password Policy Readers", "RBAC Readers", "Replication Administrators",
            "SELinux User Map Administrators",
            "Service Administrators", "Stage User Administrators", "Stage User Provisioning",
            "Subordinate ID Administrators", "Subordinate ID Selfservice Users", "Sudo Administrator",
            "System Accounts Administrators", "User Administrators", "Vault Administrators",
            "Write IPA Configuration",
        )
    },
)  # fmt: skip


PERMISSION = Kind(
    name="permission",
    plural="permissions",
    command="permission",
    resource=Resource(
        kind="permission",
        key="cn",
        fields={
            "rights": Field("ipapermright", caseless),
            "attributes": Field("attrs", caseless),
            "type": Field("type", single),
            "subtree": Field("ipapermlocation", folded),
            "filters": Field("extratargetfilter", unordered),
            "target": Field("ipapermtarget", folded),
            "target_group": Field("targetgroup", single),
            "member_of": Field("memberof", caseless),
            "bind_rule": Field("ipapermbindruletype", single),
        },
    ),
    required=("rights",),
    wrong=_permission_name,
    checks=(_not_the_system_s, _one_place),
)


#: The key is a group, or global_policy, which is always there.
PASSWORD_POLICY = Kind(
    name="password_policy",
    plural="password_policies",
    command="pwpolicy",
    resource=Resource(
        kind="password policy",
        key="cn",
        fields={
            "priority": Field("cospriority", number),
            "longest_life_days": Field("krbmaxpwdlife", number),
            "shortest_life_hours": Field("krbminpwdlife", number),
            "history": Field("krbpwdhistorylength", number),
            "character_classes": Field("krbpwdmindiffchars", number),
            "shortest": Field("krbpwdminlength", number),
            "failures": Field("krbpwdmaxfailure", number),
            "failure_interval_seconds": Field("krbpwdfailurecountinterval", number),
            "lockout_seconds": Field("krbpwdlockoutduration", number),
            "grace_logins": Field("passwordgracelimit", number),
        },
    ),
    required=("priority",),
    builtin={"global_policy": {}},
    identity=str.lower,
    unnamed="global_policy",
)
