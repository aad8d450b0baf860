"""What we manage in FreeIPA, kind by kind and field by field. A new kind is one more :class:`Kind` here."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import Problem
from ...reconcile import Field, Resource, caseless, unordered
from .kinds import (
    Kind,
    Link,
    flag,
    folded,
    host_names,
    is_posix,
    moment,
    networks,
    number,
    principals,
    public_keys,
    single,
)


def _account_name(longest: int):
    def wrong(name: str) -> str:
        if len(name) > longest:
            return f"it has {len(name)} characters, and can have {longest}"
        if not re.fullmatch(r"(?!\d+$)[A-Za-z0-9_.][A-Za-z0-9_.-]*\$?", name):
            return "only letters, digits, _, -, . are allowed, no - in front, and not digits alone"
        return ""

    return wrong


def _host_name(name: str) -> str:
    if "." not in name.rstrip("."):
        return "it isn't fully qualified"
    if not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?\.?", name) or ".." in name:
        return "only letters, digits, _, - and single dots are allowed"
    return ""


def _principal(name: str) -> str:
    service, slash, host = name.partition("@")[0].partition("/")
    return "" if service and slash and "." in host else "it isn't SERVICE/FULL.HOST.NAME"


def _permission_name(name: str) -> str:
    return (
        ""
        if re.fullmatch(r"[-_ a-zA-Z0-9.]+", name)
        else "only letters, digits, -, _, . and blanks are allowed"
    )


def _host_identity(name: str) -> str:
    return name.lower().rstrip(".")


def _service_identity(name: str) -> str:
    service, _, host = name.partition("@")[0].partition("/")
    return f"{service}/{host.lower()}"


def _option(name: str):
    return lambda value: {name: bool(value)}


def _never_less_than_posix(
    name: str, wanted: Mapping[str, Any], found: Mapping[str, Any] | None
) -> Iterable[Problem]:
    if found is not None and wanted.get("posix") is False and is_posix(found.get("objectclass")):
        yield Problem(
            "", f"{name}:posix", False, "this is a POSIX group, and FreeIPA can't take that away",
            "declare `posix: true`, or remove the group and make it again",
        )  # fmt: skip


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


def _cname_alone(name: str, wanted: Mapping[str, Any], found: Mapping[str, Any] | None) -> Iterable[Problem]:
    def there(key: str) -> bool:
        value = wanted[key] if key in wanted else DNS_RECORD.resource.fields[key].read(found or {})
        return bool(value)

    others = [key for key in DNS_RECORD.resource.fields if key not in ("cname", "ttl") and there(key)]
    if there("cname") and others:
        yield Problem(
            "", f"{name}:cname", wanted.get("cname"),
            f"a CNAME stands alone, and here is {', '.join(others)}",
            "take one of them out, or empty it with []",
        )  # fmt: skip


def _some_record(name: str, wanted: Mapping[str, Any], found: Mapping[str, Any] | None) -> Iterable[Problem]:
    types = [key for key in DNS_RECORD.resource.fields if key != "ttl"]
    if name != "@" and not any(
        wanted[key] if key in wanted else DNS_RECORD.resource.fields[key].read(found or {}) for key in types
    ):
        yield Problem(
            "", name, None, "a name is in the DNS by its records, and none would be left here",
            "declare some, or use dns_record_absent",
        )  # fmt: skip


def _administrator_as_name(
    name: str, wanted: Mapping[str, Any], found: Mapping[str, Any] | None
) -> Iterable[Problem]:
    if "@" in str(wanted.get("administrator") or ""):
        yield Problem(
            "", f"{name}:administrator", wanted["administrator"], "zones hold this as a name",
            "write hostmaster@example.org as hostmaster.example.org.",
        )  # fmt: skip


_DESCRIPTION = Field("description", single)
_MEMBER = {name: Link("member", name) for name in ("user", "group", "host", "hostgroup", "service")}

#: Defaults that the server fills in (cn, gecos, initials…) are only managed where declared: a later change of
#: the first name doesn't move them.
USER = Kind(
    name="user",
    plural="users",
    command="user",
    resource=Resource(
        kind="person",
        key="uid",
        fields={
            "first_name": Field("givenname", single),
            "last_name": Field("sn", single),
            "full_name": Field("cn", single),
            "display_name": Field("displayname", single),
            "initials": Field("initials", single),
            "gecos": Field("gecos", single),
            "mail": Field("mail", caseless),
            "telephone_numbers": Field("telephonenumber", unordered),
            "mobile_numbers": Field("mobile", unordered),
            "fax_numbers": Field("facsimiletelephonenumber", unordered),
            "pagers": Field("pager", unordered),
            "title": Field("title", single),
            "department": Field("ou", single),
            "department_numbers": Field("departmentnumber", unordered),
            "employee_number": Field("employeenumber", single),
            "employee_type": Field("employeetype", single),
            "preferred_language": Field("preferredlanguage", single),
            "manager": Field("manager", folded),
            "street": Field("street", single),
            "city": Field("l", single),
            "state_or_province": Field("st", single),
            "postal_code": Field("postalcode", single),
            "user_classes": Field("userclass", unordered),
            "login_shell": Field("loginshell", single),
            "home_directory": Field("homedirectory", single),
            "user_number": Field("uidnumber", number),
            "group_number": Field("gidnumber", number),
            "ssh_public_keys": Field("ipasshpubkey", public_keys),
            "password": Field("userpassword", secret=True, readable=False),
            "password_expires": Field("krbpasswordexpiration", moment),
            "account_expires": Field("krbprincipalexpiration", moment),
            "enabled": Field("enabled", flag),
            "groups": Field("memberof_group", caseless),
        },
    ),
    required=("first_name", "last_name"),
    memberships={"groups": "group"},
    identifiers=("groups", "manager"),
    switch="nsaccountlock",
    # A manager may be somebody of the same set.
    late=("manager", "password_expires"),
    # A password that an administrator sets is expired at once.
    undone=("password_expires",),
    filled=("mail", "display_name", "initials", "gecos"),
    once={"private_group": lambda value: {} if value else {"noprivate": True}},
    brief=frozenset(
        (
            "first_name", "last_name", "mail", "telephone_numbers", "title", "login_shell", "home_directory",
            "user_number", "group_number", "enabled", "password", "private_group",
        )
    ),
    builtin={"admin": {}},
    identity=str.lower,
    wrong=_account_name(32),
)  # fmt: skip

GROUP = Kind(
    name="group",
    plural="groups",
    command="group",
    resource=Resource(
        kind="group",
        key="cn",
        fields={
            "description": _DESCRIPTION,
            "posix": Field("objectclass", is_posix),
            "group_number": Field("gidnumber", number),
            # Direct members; nested ones are under memberindirect_*.
            "users": Field("member_user", caseless),
            "groups": Field("member_group", caseless),
            "services": Field("member_service", principals),
        },
    ),
    members={"users": _MEMBER["user"], "groups": _MEMBER["group"], "services": _MEMBER["service"]},
    identifiers=("users", "groups"),
    special={
        "posix": lambda value, new: {} if value and new else {"posix": True} if value else {"nonposix": True}
    },
    nested="groups",
    builtin={
        "default smb group": {},
        "admins": {"users": ["admin"]},
        "editors": {"users": []},
        "trust admins": {"users": ["admin"]},
        "ipausers": {},
    },
    identity=str.lower,
    wrong=_account_name(255),
    checks=(_never_less_than_posix,),
)

HOST = Kind(
    name="host",
    plural="hosts",
    command="host",
    resource=Resource(
        kind="host",
        key="fqdn",
        fields={
            "description": _DESCRIPTION,
            "locality": Field("l", single),
            "location": Field("nshostlocation", single),
            "platform": Field("nshardwareplatform", single),
            "operating_system": Field("nsosversion", single),
            "host_classes": Field("userclass", unordered),
            # The server never gives it back, and drops it when the host enrols.
            "enrolment_password": Field("userpassword", secret=True, readable=False),
        },
    ),
    # ip_address makes the A record where FreeIPA runs the DNS.
    once={"force": _option("force"), "ip_address": lambda value: {"ip_address": str(value)}},
    identity=_host_identity,
    wrong=_host_name,
)

HOSTGROUP = Kind(
    name="hostgroup",
    plural="hostgroups",
    command="hostgroup",
    resource=Resource(
        kind="group of hosts",
        key="cn",
        fields={
            "description": _DESCRIPTION,
            "hosts": Field("member_host", host_names),
            "hostgroups": Field("member_hostgroup", caseless),
        },
    ),
    members={"hosts": _MEMBER["host"], "hostgroups": _MEMBER["hostgroup"]},
    identifiers=("hosts", "hostgroups"),
    nested="hostgroups",
    builtin={"ipaservers": {}},
    identity=str.lower,
    wrong=_account_name(255),
)

SERVICE = Kind(
    name="service",
    plural="services",
    command="service",
    resource=Resource(
        kind="service",
        key="krbcanonicalname",
        fields={
            "authorization_data": Field("ipakrbauthzdata", unordered),
            "managed_by": Field("managedby_host", host_names),
        },
    ),
    members={"managed_by": Link("host", "host")},
    identifiers=("managed_by",),
    once={"force": _option("force"), "skip_host_check": _option("skip_host_check")},
    identity=_service_identity,
    wrong=_principal,
)

#: From FreeIPA 4.13 on by RPC, before by LDAP. Neither a POSIX account nor a Kerberos principal.
SYSTEM_ACCOUNT = Kind(
    name="system_account",
    plural="system_accounts",
    command="sysaccount",
    resource=Resource(
        kind="system account",
        key="uid",
        fields={
            "description": _DESCRIPTION,
            # Kept in cn=config, so of this one server only.
            "privileged": Field("privileged", flag),
            "enabled": Field("enabled", flag),
            "password": Field("userpassword", secret=True, readable=False),
        },
    ),
    required=("password",),
    switch="nsaccountlock",
    builtin={"sudo": {}, "passsync": {}},
    identity=str.lower,
)

SUDO_COMMAND = Kind(
    name="sudo_command",
    plural="sudo_commands",
    command="sudocmd",
    resource=Resource(kind="sudo command", key="sudocmd", fields={"description": _DESCRIPTION}),
    identity=str,
)

SUDO_COMMAND_GROUP = Kind(
    name="sudo_command_group",
    plural="sudo_command_groups",
    command="sudocmdgroup",
    resource=Resource(
        kind="group of sudo commands",
        key="cn",
        fields={"description": _DESCRIPTION, "commands": Field("member_sudocmd", unordered)},
    ),
    members={"commands": Link("member", "sudocmd")},
)

SUDO_RULE = Kind(
    name="sudo_rule",
    plural="sudo_rules",
    command="sudorule",
    resource=Resource(
        kind="sudo rule",
        key="cn",
        fields={
            "description": _DESCRIPTION,
            "sudo_order": Field("sudoorder", number),
            "enabled": Field("enabled", flag),
            "user_category": Field("usercategory", single),
            "host_category": Field("hostcategory", single),
            "command_category": Field("cmdcategory", single),
            "run_as_user_category": Field("ipasudorunasusercategory", single),
            "run_as_group_category": Field("ipasudorunasgroupcategory", single),
            "users": Field("memberuser_user", caseless),
            "groups": Field("memberuser_group", caseless),
            "external_users": Field("externaluser", caseless),
            "hosts": Field("memberhost_host", host_names),
            "hostgroups": Field("memberhost_hostgroup", caseless),
            "external_hosts": Field("externalhost", host_names),
            "host_masks": Field("hostmask", unordered),
            "allow_commands": Field("memberallowcmd_sudocmd", unordered),
            "allow_command_groups": Field("memberallowcmd_sudocmdgroup", caseless),
            "deny_commands": Field("memberdenycmd_sudocmd", unordered),
            "deny_command_groups": Field("memberdenycmd_sudocmdgroup", caseless),
            "run_as_users": Field("ipasudorunas_user", caseless),
            "run_as_groups_of_users": Field("ipasudorunas_group", caseless),
            "run_as_external_users": Field("ipasudorunasextuser", caseless),
            "run_as_groups": Field("ipasudorunasgroup_group", caseless),
            "run_as_external_groups": Field("ipasudorunasextgroup", caseless),
            "options": Field("ipasudoopt", unordered),
        },
    ),
    members={
        "users": Link("user", "user"),
        "groups": Link("user", "group"),
        "external_users": Link("user", "user"),
        "hosts": Link("host", "host"),
        "hostgroups": Link("host", "hostgroup"),
        "external_hosts": Link("host", "host"),
        "host_masks": Link("host", "hostmask"),
        "allow_commands": Link("allow_command", "sudocmd"),
        "allow_command_groups": Link("allow_command", "sudocmdgroup"),
        "deny_commands": Link("deny_command", "sudocmd"),
        "deny_command_groups": Link("deny_command", "sudocmdgroup"),
        "run_as_users": Link("runasuser", "user"),
        "run_as_groups_of_users": Link("runasuser", "group"),
        "run_as_external_users": Link("runasuser", "user"),
        "run_as_groups": Link("runasgroup", "group"),
        "run_as_external_groups": Link("runasgroup", "group"),
        # One at a time.
        "options": Link("option", "ipasudoopt", slices=1),
    },
    identifiers=(
        "users", "groups", "hosts", "hostgroups", "run_as_users", "run_as_groups_of_users", "run_as_groups",
    ),
    switch="ipaenabledflag",
    categories={
        "user_category": ("users", "groups", "external_users"),
        "host_category": ("hosts", "hostgroups", "external_hosts", "host_masks"),
        "command_category": ("allow_commands", "allow_command_groups"),
        "run_as_user_category": ("run_as_users", "run_as_groups_of_users", "run_as_external_users"),
        "run_as_group_category": ("run_as_groups", "run_as_external_groups"),
    },
    external={
        "external_users": "users",
        "external_hosts": "hosts",
        "run_as_external_users": "run_as_users",
        "run_as_external_groups": "run_as_groups",
    },
)  # fmt: skip

HBAC_SERVICE = Kind(
    name="hbac_service",
    plural="hbac_services",
    command="hbacsvc",
    resource=Resource(kind="HBAC service", key="cn", fields={"description": _DESCRIPTION}),
    # install/share/default-hbac.ldif of freeipa/freeipa.
    builtin={
        name: {}
        for name in (
            "crond", "ftp", "gdm", "gdm-password", "gssftp", "kdm", "login", "proftpd", "pure-ftpd", "sshd",
            "su", "su-l", "sudo", "sudo-i", "systemd-user", "vsftpd",
        )
    },
)  # fmt: skip

HBAC_SERVICE_GROUP = Kind(
    name="hbac_service_group",
    plural="hbac_service_groups",
    command="hbacsvcgroup",
    resource=Resource(
        kind="group of HBAC services",
        key="cn",
        fields={"description": _DESCRIPTION, "services": Field("member_hbacsvc", caseless)},
    ),
    members={"services": Link("member", "hbacsvc")},
    builtin={"Sudo": {"services": ["sudo", "sudo-i"]}, "ftp": {}},
)

HBAC_RULE = Kind(
    name="hbac_rule",
    plural="hbac_rules",
    command="hbacrule",
    resource=Resource(
        kind="HBAC rule",
        key="cn",
        fields={
            "description": _DESCRIPTION,
            "enabled": Field("enabled", flag),
            "user_category": Field("usercategory", single),
            "host_category": Field("hostcategory", single),
            "service_category": Field("servicecategory", single),
            "users": Field("memberuser_user", caseless),
            "groups": Field("memberuser_group", caseless),
            "hosts": Field("memberhost_host", host_names),
            "hostgroups": Field("memberhost_hostgroup", caseless),
            "services": Field("memberservice_hbacsvc", caseless),
            "service_groups": Field("memberservice_hbacsvcgroup", caseless),
        },
    ),
    members={
        "users": Link("user", "user"),
        "groups": Link("user", "group"),
        "hosts": Link("host", "host"),
        "hostgroups": Link("host", "hostgroup"),
        "services": Link("service", "hbacsvc"),
        "service_groups": Link("service", "hbacsvcgroup"),
    },
    identifiers=("users", "groups", "hosts", "hostgroups"),
    switch="ipaenabledflag",
    categories={
        "user_category": ("users", "groups"),
        "host_category": ("hosts", "hostgroups"),
        "service_category": ("services", "service_groups"),
    },
    builtin={"allow_all": {"enabled": True}, "allow_systemd-user": {"enabled": True}},
)

ROLE = Kind(
    name="role",
    plural="roles",
    command="role",
    resource=Resource(
        kind="role",
        key="cn",
        fields={
            "description": _DESCRIPTION,
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
        "users": _MEMBER["user"],
        "groups": _MEMBER["group"],
        "hosts": _MEMBER["host"],
        "hostgroups": _MEMBER["hostgroup"],
        "services": _MEMBER["service"],
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
        fields={"description": _DESCRIPTION, "permissions": Field("memberof_permission", caseless)},
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

DNS_ZONE = Kind(
    name="dns_zone",
    plural="dns_zones",
    command="dnszone",
    resource=Resource(
        kind="DNS zone",
        key="idnsname",
        fields={
            "soa_nameserver": Field("idnssoamname", folded),
            "administrator": Field("idnssoarname", folded),
            "soa_refresh": Field("idnssoarefresh", number),
            "soa_retry": Field("idnssoaretry", number),
            "soa_expire": Field("idnssoaexpire", number),
            "soa_minimum": Field("idnssoaminimum", number),
            "default_ttl": Field("dnsdefaultttl", number),
            "allow_dynamic_update": Field("idnsallowdynupdate", flag),
            "update_policy": Field("idnsupdatepolicy", single),
            "allow_query": Field("idnsallowquery", networks),
            "allow_transfer": Field("idnsallowtransfer", networks),
            "forwarders": Field("idnsforwarders", unordered),
            "forward_policy": Field("idnsforwardpolicy", single),
            "sync_ptr": Field("idnsallowsyncptr", flag),
            "enabled": Field("enabled", flag),
        },
    ),
    switch="idnszoneactive",
    once={
        "skip_overlap_check": _option("skip_overlap_check"),
        "skip_nameserver_check": _option("skip_nameserver_check"),
    },
    identity=lambda name: name.lower().rstrip(".") + ".",
    checks=(_administrator_as_name,),
)

#: Each type that is declared is the whole truth about it; other types are left alone.
DNS_RECORD = Kind(
    name="dns_record",
    plural="dns_records",
    command="dnsrecord",
    resource=Resource(
        kind="DNS record",
        key="idnsname",
        fields={
            "a": Field("arecord", unordered),
            "aaaa": Field("aaaarecord", caseless),
            "cname": Field("cnamerecord", caseless),
            "dname": Field("dnamerecord", caseless),
            "mx": Field("mxrecord", caseless),
            "ns": Field("nsrecord", caseless),
            "ptr": Field("ptrrecord", caseless),
            "srv": Field("srvrecord", caseless),
            "sshfp": Field("sshfprecord", caseless),
            "tlsa": Field("tlsarecord", caseless),
            "txt": Field("txtrecord", unordered),
            "uri": Field("urirecord", unordered),
            "ttl": Field("dnsttl", number),
        },
    ),
    identity=str.lower,
    checks=(_cname_alone, _some_record),
)

#: In the order in which they need each other.
KINDS = {
    kind.name: kind
    for kind in (
        DNS_ZONE, DNS_RECORD, HOST, HOSTGROUP, USER, SERVICE, GROUP, SYSTEM_ACCOUNT, PASSWORD_POLICY,
        SUDO_COMMAND, SUDO_COMMAND_GROUP, SUDO_RULE, HBAC_SERVICE, HBAC_SERVICE_GROUP, HBAC_RULE, PERMISSION,
        PRIVILEGE, ROLE,
    )
}  # fmt: skip


def in_zone(zone: str) -> Kind:
    """The records of one zone, as a kind of their own."""
    return dataclasses.replace(DNS_RECORD, parent=(DNS_ZONE.identity(zone),))
