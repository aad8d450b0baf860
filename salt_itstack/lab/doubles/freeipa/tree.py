"""The entries that a fresh FreeIPA server holds, and the plug-ins that its directory runs."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from salt_itstack.lab.directory import Entry, hash_password
from salt_itstack.lab.doubles.freeipa import access

FIRST_NUMBER = 1201000000
# Names the system accounts that may set passwords without forcing their change; per server, as in FreeIPA.
PRIVILEGED = "cn=privileged-accounts,cn=config"
CONTAINERS = (
    "cn=accounts", access.USERS, access.GROUPS, access.HOSTS, access.HOST_GROUPS, access.SERVICES,
    access.ROLES,
    "cn=pbac", access.PRIVILEGES, access.PERMISSIONS, access.SUDO, f"cn=sudorules,{access.SUDO}",
    f"cn=sudocmds,{access.SUDO}", access.SUDO_COMMAND_GROUPS, access.HBAC, access.HBAC_SERVICES,
    access.HBAC_SERVICE_GROUPS, "cn=alt", "cn=ng,cn=alt", access.DNS, "cn=kerberos", "cn=etc",
    access.ACCOUNTS, "cn=Managed Entries,cn=etc", "cn=Definitions,cn=Managed Entries,cn=etc",
    "cn=Templates,cn=Managed Entries,cn=etc", "cn=provisioning", "cn=accounts,cn=provisioning",
    access.COS_TEMPLATES,
    access.DELETED,
    "cn=staged users,cn=accounts,cn=provisioning",
)  # fmt: skip
HBAC_SERVICES = (
    "crond", "ftp", "gdm", "gdm-password", "gssftp", "kdm", "login", "proftpd", "pure-ftpd", "sshd", "su",
    "su-l",
    "sudo", "sudo-i", "systemd-user", "vsftpd",
)  # fmt: skip
# What they are called, what is said of them, and whom they hold.
HBAC_SERVICE_GROUPS = (
    ("Sudo", "Default group of Sudo related services", ("sudo", "sudo-i")),
    ("ftp", "Default group of ftp related services", ("ftp", "proftpd", "pure-ftpd", "vsftpd", "gssftp")),
)
# Those whose description isn't their name.
HBAC_DESCRIPTIONS = {
    "su-l": "su with login shell", "systemd-user": "pam_systemd and systemd user@.service",
}  # fmt: skip
PRIVILEGES = (
    "User Administrators", "Group Administrators", "Host Administrators", "Service Administrators",
    "DNS Administrators", "Sudo Administrator", "HBAC Administrator", "System Accounts Administrators",
    "Host Group Administrators", "Password Policy Administrator",
    "Password Policy Readers", "Delegation Administrator", "RBAC Readers",
    "Modify Users and Reset passwords", "Modify Group membership",
)  # fmt: skip
USER_CLASSES = (
    "top", "person", "organizationalperson", "inetorgperson", "inetuser", "posixaccount", "krbprincipalaux",
    "krbticketpolicyaux", "ipaobject", "ipasshuser",
)  # fmt: skip
GROUP_CLASSES = ("top", "groupofnames", "posixgroup", "ipausergroup", "ipaobject", "nestedGroup")
ZERO = "0"


def plugins(base: str) -> dict[str, dict[str, Sequence[str]]]:
    """Settings of the directory server's plug-ins that FreeIPA uses."""
    links = ("member", "uniquemember", "owner", "seeAlso", "manager", "secretary", "memberuser", "memberhost",
             "memberservice", "managedby", "memberallowcmd", "memberdenycmd", "ipasudorunas",
             "ipasudorunasgroup", "krbPwdPolicyReference")  # fmt: skip
    return {
        "MemberOf Plugin": {
            "memberOfGroupAttr": ["member", "memberUser", "memberHost"],
            # An entry whose class doesn't allow memberOf gets one that does, rather than failing the write.
            "memberOfAutoAddOC": ["nsMemberOf"],
        },
        "referential integrity postoperation": {"referint-membership-attr": links},
        "attribute uniqueness": {
            "uniqueness-attribute-name": ["krbPrincipalName", "krbCanonicalName"],
            "uniqueness-subtrees": [base],
            "uniqueness-across-all-subtrees": ["on"],
        },
        "USN": {},
        "Managed Entries": {"nsslapd-pluginConfigArea": [f"cn=Definitions,cn=Managed Entries,cn=etc,{base}"]},
        "Distributed Numeric Assignment Plugin": {},
    }


def configuration(base: str) -> list[Entry]:
    """Entries under cn=config: numbers of people and groups come from the directory server itself."""
    return [
        (
            "cn=Posix IDs,cn=Distributed Numeric Assignment Plugin,cn=plugins,cn=config",
            [
                ("objectClass", "top"), ("objectClass", "extensibleObject"), ("cn", "Posix IDs"),
                ("dnaType", "uidNumber"), ("dnaType", "gidNumber"), ("dnaNextValue", str(FIRST_NUMBER + 3)),
                ("dnaMaxValue", str(FIRST_NUMBER + 199999)), ("dnaMagicRegen", "-1"), ("dnaScope", base),
                ("dnaFilter", "(|(objectClass=posixAccount)(objectClass=posixGroup))"),
            ],
        ),
        # FreeIPA limits anonymous searches; whoever reads a whole realm must bind.
        (
            "cn=anonymous-limits,cn=config",
            [("objectClass", "nsContainer"), ("objectClass", "extensibleObject"), ("cn", "anonymous-limits"),
             ("nsSizeLimit", "5000")],
        ),
        (PRIVILEGED, [("objectClass", "nsContainer"), ("objectClass", "extensibleObject"),
                      ("cn", "privileged-accounts")]),
    ]  # fmt: skip


def entries(base: str, realm: str, domain: str, admin_password: str) -> list[Entry]:
    """
    All entries of a fresh server, parents first.

    admin_password
        In clear; it's hashed here.
    """
    rules: dict[str, list[str]] = {}
    for where, rule in access.rules(base):
        rules.setdefault(where, []).append(rule)
    made: list[tuple[str, list[tuple[str, str]]]] = [
        (
            "",
            [("objectClass", "top"), ("objectClass", "domain"), ("dc", base.split(",")[0].partition("=")[2])],
        )
    ]
    made += [(dn, _attributes(("top", "nsContainer"), cn=_name(dn))) for dn in CONTAINERS]
    made += [
        *_accounts(base, realm),
        *_rules_of_access(base),
        *_hosts_and_sudo(base),
        *_settings(base, realm, domain),
    ]
    joined = _with_membership(made, base)
    for dn, attributes in joined:
        attributes += [("aci", rule) for rule in rules.pop(dn, ())]
        if dn == f"uid=admin,{access.USERS}":
            attributes.append(("userPassword", hash_password(admin_password)))
    assert not rules, f"access rules on containers that don't exist: {sorted(rules)}"
    return [(f"{dn},{base}" if dn else base, attributes) for dn, attributes in joined]


def _name(dn: str) -> str:
    return dn.split(",")[0].partition("=")[2]


def _attributes(classes: Sequence[str], **values: str | Sequence[str]) -> list[tuple[str, str]]:
    made = [("objectClass", name) for name in classes]
    for name, value in values.items():
        made += [(name, one) for one in ([value] if isinstance(value, str) else value)]
    return made


def _id() -> str:
    return str(uuid.uuid1())


def _accounts(base: str, realm: str) -> list[tuple[str, list[tuple[str, str]]]]:
    admin = f"uid=admin,{access.USERS}"

    def group(name: str, description: str, number: int | None, members: Sequence[str] = ()):
        classes = [one for one in GROUP_CLASSES if number is not None or one != "posixgroup"]
        values: dict[str, str | Sequence[str]] = {
            "cn": name,
            "description": description,
            "ipaUniqueID": _id(),
        }
        if number is not None:
            values["gidNumber"] = str(FIRST_NUMBER + number)
        return f"cn={name},{access.GROUPS}", _attributes(
            classes, **values, member=[f"{one},{base}" for one in members]
        )

    classes = [one for one in USER_CLASSES if one not in ("organizationalperson", "inetorgperson")]
    return [
        (admin, _attributes(
            classes, uid="admin", cn="Administrator", sn="Administrator", gecos="Administrator",
            uidNumber=str(FIRST_NUMBER), gidNumber=str(FIRST_NUMBER), homeDirectory="/home/admin",
            loginShell="/bin/bash", nsAccountLock="FALSE", ipaUniqueID=_id(),
            krbCanonicalName=f"admin@{realm}",
            krbPrincipalName=[f"admin@{realm}", f"root@{realm}"],
        )),
        group("admins", "Account administrators group", 0, [admin]),
        group("editors", "Limited admins who can edit other users", 2),
        group("ipausers", "Default group for all users", None),
        group("trust admins", "Trusts administrators group", None, [admin]),
    ]  # fmt: skip


def _rules_of_access(base: str) -> list[tuple[str, list[tuple[str, str]]]]:
    made = []
    for name in PRIVILEGES:
        classes = ("nestedgroup", "groupofnames", "top")
        made.append((f"cn={name},{access.PRIVILEGES}", _attributes(classes, cn=name, description=name)))
    for permission in access.permissions():
        made.append((f"cn={permission.name},{access.PERMISSIONS}", _attributes(
            ("top", "groupofnames", "ipapermission", "ipapermissionv2"),
            **access.permission_entry(permission, base),
        )))  # fmt: skip
    return made


def _hosts_and_sudo(base: str) -> list[tuple[str, list[tuple[str, str]]]]:
    made = []
    for name in HBAC_SERVICES:
        classes = ("ipahbacservice", "ipaobject")
        made.append((f"cn={name},{access.HBAC_SERVICES}", _attributes(
            classes, cn=name, ipaUniqueID=_id(), description=HBAC_DESCRIPTIONS.get(name, name),
        )))  # fmt: skip
    for name, description, services in HBAC_SERVICE_GROUPS:
        made.append((f"cn={name},{access.HBAC_SERVICE_GROUPS}", _attributes(
            ("ipaobject", "ipahbacservicegroup", "nestedGroup", "groupOfNames", "top"),
            cn=name, ipaUniqueID=_id(), description=description,
            member=[f"cn={one},{access.HBAC_SERVICES},{base}" for one in services],
        )))  # fmt: skip
    for name, description, more in (
        ("allow_all", "Allow all users to access any host from any host", {"serviceCategory": "all"}),
        ("allow_systemd-user", "Allow pam_systemd to run user@.service to create a system user session",
         {"memberService": f"cn=systemd-user,{access.HBAC_SERVICES},{base}"}),
    ):  # fmt: skip
        identity = _id()
        made.append((f"ipaUniqueID={identity},{access.HBAC}", _attributes(
            ("ipaassociation", "ipahbacrule"), cn=name, ipaUniqueID=identity, accessRuleType="allow",
            userCategory="all", hostCategory="all", ipaEnabledFlag="TRUE", description=description, **more,
        )))  # fmt: skip
    return made


def _settings(base: str, realm: str, domain: str) -> list[tuple[str, list[tuple[str, str]]]]:
    maps = ["guest_u:s0", "xguest_u:s0", "user_u:s0", "staff_u:s0-s0:c0.c1023", "sysadm_u:s0-s0:c0.c1023",
            "unconfined_u:s0-s0:c0.c1023"]  # fmt: skip
    return [
        ("cn=ipaConfig,cn=etc", _attributes(
            ("nsContainer", "top", "ipaGuiConfig"), cn="ipaConfig", ipaDefaultEmailDomain=domain,
            ipaMaxHostnameLength="64", ipaMaxUsernameLength="32", ipaSELinuxUserMapOrder="$".join(maps),
            ipaSELinuxUserMapDefault="unconfined_u:s0-s0:c0.c1023", ipaKrbAuthzData=["MS-PAC", "nfs:NONE"],
            ipaDefaultLoginShell="/bin/sh", ipaMigrationEnabled="FALSE",
            ipaConfigString=["AllowNThash", "KDC:Disable Last Success"],
            ipaUserSearchFields="uid,givenname,sn,telephonenumber,ou,title",
            ipaGroupSearchFields="cn,description",
            ipaSearchRecordsLimit="100", ipaSearchTimeLimit="2", ipaHomesRootDir="/home",
            ipaServiceKeyTypeSize="rsa:2048", ipaPwdExpAdvNotify="4", ipaDefaultPrimaryGroup="ipausers",
        )),
        (f"cn={realm},cn=kerberos", _attributes(("top", "nsContainer"), cn=realm)),
        (f"cn=global_policy,cn={realm},cn=kerberos", _attributes(
            ("top", "nscontainer", "krbpwdpolicy", "ipapwdpolicy"), cn="global_policy",
            krbMaxPwdLife="7776000",
            krbMinPwdLife="3600", krbPwdMinDiffChars=ZERO, krbPwdMinLength="8", krbPwdHistoryLength=ZERO,
            krbPwdMaxFailure="6", krbPwdFailureCountInterval="60", krbPwdLockoutDuration="600",
            passwordGraceLimit="-1",
        )),
        ("cn=Password Policy,cn=accounts", _attributes(
            ("top", "ldapsubentry", "cosSuperDefinition", "cosClassicDefinition"), cn="Password Policy",
            cosTemplateDn=f"{access.COS_TEMPLATES},{base}", cosAttribute="krbPwdPolicyReference override",
            cosSpecifier="memberOf",
        )),
        *_private_groups(base),
    ]  # fmt: skip


def _private_groups(base: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """What makes the directory keep a group beside each person, and a netgroup beside each host group."""
    definitions, templates = (f"cn={name},cn=Managed Entries,cn=etc" for name in ("Definitions", "Templates"))
    made = []
    for name, scope, condition, managed, static, mapped in (
        ("UPG", access.USERS, "(&(objectclass=posixAccount)(!(description=__no_upg__)))", access.GROUPS,
         ("objectclass: posixgroup", "objectclass: ipaobject", "ipaUniqueId: autogenerate"),
         ("cn: $uid", "gidNumber: $uidNumber", "description: User private group for $uid")),
        ("NGP", access.HOST_GROUPS, "objectclass=ipahostgroup", "cn=ng,cn=alt",
         ("objectclass: ipanisnetgroup", "objectclass: ipaobject", "nisDomainName: " + base.replace("dc=",
             "").replace(
             ",", "."), "ipaUniqueId: autogenerate"),
         ("cn: $cn", "memberHost: $dn", "description: ipaNetgroup $cn")),
    ):  # fmt: skip
        made.append((f"cn={name} Template,{templates}", _attributes(
            ("mepTemplateEntry",), cn=f"{name} Template", mepRDNAttr="cn", mepStaticAttr=static,
            mepMappedAttr=mapped,
        )))  # fmt: skip
        made.append((f"cn={name} Definition,{definitions}", _attributes(
            ("extensibleObject",), cn=f"{name} Definition", originScope=f"{scope},{base}",
            originFilter=condition,
            managedBase=f"{managed},{base}", managedTemplate=f"cn={name} Template,{templates},{base}",
        )))  # fmt: skip
    return made


def _with_membership(
    made: list[tuple[str, list[tuple[str, str]]]], base: str
) -> list[tuple[str, list[tuple[str, str]]]]:
    """The same entries with memberOf, which the directory server computes on writes but not on an import."""
    groups: dict[str, list[str]] = {}
    for dn, attributes in made:
        for name, value in attributes:
            if name == "member":
                groups.setdefault(value, []).append(f"{dn},{base}")

    def above(dn: str, seen: frozenset[str] = frozenset()) -> set[str]:
        found = set(groups.get(dn, ())) - seen
        for one in list(found):
            found |= above(one, seen | found)
        return found

    return [
        (dn, attributes + [("memberOf", one) for one in sorted(above(f"{dn},{base}") - {f"{dn},{base}"})])
        for dn, attributes in made
    ]
