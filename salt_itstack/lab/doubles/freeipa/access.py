"""
Who may read and write what in the directory: FreeIPA's access rules, as far as the double's tree goes.

Rights that can be delegated are permissions: an entry under cn=permissions, an access rule that grants to
that entry's members, and privileges that are such members. Roles are members of privileges, people of roles;
the directory server follows that chain itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

ANYONE = 'userdn = "ldap:///anyone"'
ALL = 'userdn = "ldap:///all"'
SELF = 'userdn = "ldap:///self"'

USERS = "cn=users,cn=accounts"
DELETED = "cn=deleted users,cn=accounts,cn=provisioning"
GROUPS = "cn=groups,cn=accounts"
HOSTS = "cn=computers,cn=accounts"
HOST_GROUPS = "cn=hostgroups,cn=accounts"
SERVICES = "cn=services,cn=accounts"
ROLES = "cn=roles,cn=accounts"
PRIVILEGES = "cn=privileges,cn=pbac"
PERMISSIONS = "cn=permissions,cn=pbac"
SUDO = "cn=sudo"
SUDO_COMMAND_GROUPS = f"cn=sudocmdgroups,{SUDO}"
HBAC = "cn=hbac"
HBAC_SERVICES = f"cn=hbacservices,{HBAC}"
HBAC_SERVICE_GROUPS = f"cn=hbacservicegroups,{HBAC}"
DNS = "cn=dns"
ACCOUNTS = "cn=sysaccounts,cn=etc"
COS_TEMPLATES = "cn=cosTemplates,cn=accounts"
POLICIES = "cn=kerberos"

# Containers whose entries are named by something else than cn.
NAMED_BY = {
    USERS: "uid", ACCOUNTS: "uid", HOSTS: "fqdn", SERVICES: "krbprincipalname", DNS: "idnsname",
    HBAC: "ipauniqueid", f"cn=sudorules,{SUDO}": "ipauniqueid", f"cn=sudocmds,{SUDO}": "ipauniqueid",
}  # fmt: skip

STANDARD = (
    "cn || description || displayname || gecos || gidnumber || givenname || homedirectory || initials ||"
    " loginshell || manager || objectclass || sn || title || uid || uidnumber"
)
ADDRESS_BOOK = (
    "audio || businesscategory || carlicense || departmentnumber || destinationindicator || employeenumber ||"
    " employeetype || facsimiletelephonenumber || homephone || homepostaladdress || inetuserhttpurl ||"
    " inetuserstatus || internationalisdnnumber || ipacertmapdata || jpegphoto || l || labeleduri || mail ||"
    " mobile || o || ou || pager || photo || physicaldeliveryofficename || postaladdress || postalcode ||"
    " postofficebox || preferreddeliverymethod || preferredlanguage || registeredaddress || roomnumber ||"
    " secretary || seealso || st || street || telephonenumber || teletexterminalidentifier || telexnumber ||"
    " usercertificate || usersmimecertificate || x121address || x500uniqueidentifier"
)
# What a person may change about himself.
OWN = (
    "givenname || sn || cn || displayname || title || initials || loginshell || gecos || homephone ||"
    " mobile || pager || facsimiletelephonenumber || telephonenumber || street || roomnumber || l || st ||"
    " postalcode || manager || secretary || description || carlicense || labeleduri || seealso ||"
    " employeetype || ou"
)


@dataclass(frozen=True)
class Permission:
    """One right that roles can be given: ``where`` is the container that its rule lies on."""

    name: str
    where: str
    rights: str
    attributes: str = ""
    privileges: tuple[str, ...] = ()
    filter: str = ""
    bind: str = "permission"


def permissions() -> list[Permission]:
    """The built-in permissions that the double's commands need."""
    users, groups = ("User Administrators",), ("Group Administrators",)
    hosts, services = ("Host Administrators",), ("Service Administrators",)
    # Delegated rights stop at members of the group admins, else a helper could make himself one.
    ordinary = "(!(memberOf=cn=admins,cn=groups,cn=accounts,{base}))"
    made = [
        Permission("System: Read User Addressbook Attributes", USERS, "read,search,compare", ADDRESS_BOOK,
                   (), "(objectclass=posixaccount)", "all"),
        Permission("System: Add Users", USERS, "add", "", users),
        Permission("System: Remove Users", USERS, "delete", "", users, ordinary),
        Permission(
            "System: Modify Users", USERS, "write",
            OWN + " || mail || userclass || objectclass || departmentnumber || employeenumber ||"
            " nsaccountlock || homedirectory || krbprincipalname || krbcanonicalname ||"
            " krbprincipalexpiration || ipauserauthtype",
            (*users, "Modify Users and Reset passwords"), ordinary,
        ),
        Permission(
            "System: Change User password", USERS, "write",
            "krbprincipalkey || krbpasswordexpiration || krblastpwdchange || userpassword",
            (*users, "Modify Users and Reset passwords"), ordinary,
        ),
        Permission("System: Manage User SSH Public Keys", USERS, "write", "ipasshpubkey", users, ordinary),
        Permission("System: Read User Kerberos Login Attributes", USERS, "read,search,compare",
                   "krblastpwdchange || krbpasswordexpiration || krbpwdpolicyreference", users),
        Permission("System: Add User to default group", GROUPS, "write", "member", users, "(cn=ipausers)"),
        Permission("System: Read UPG Definition", "cn=Definitions,cn=Managed Entries,cn=etc",
                   "read,search,compare", "*", users),
        Permission("System: Add Groups", GROUPS, "add", "", groups),
        Permission("System: Remove Groups", GROUPS, "delete", "", groups, "(!(cn=admins))"),
        Permission("System: Modify Groups", GROUPS, "write",
                   "cn || description || gidnumber || mepmanagedby || objectclass", groups, "(!(cn=admins))"),
        Permission("System: Modify Group Membership", GROUPS, "write", "member",
                   (*groups, "Modify Group membership"), "(!(cn=admins))"),
        Permission("System: Add Hosts", HOSTS, "add", "", hosts),
        Permission("System: Remove Hosts", HOSTS, "delete", "", hosts),
        Permission("System: Modify Hosts", HOSTS, "write",
                   "description || l || nshardwareplatform || nshostlocation || nsosversion || userclass",
                   hosts),
        Permission("System: Manage Host Enrollment Password", HOSTS, "write", "userpassword", hosts),
        Permission("System: Add Services", SERVICES, "add", "", services),
        Permission("System: Remove Services", SERVICES, "delete", "", services),
        Permission("System: Modify Services", SERVICES, "write", "usercertificate", services),
        *_whole("System Accounts", ACCOUNTS, "System Accounts Administrators", "System Account"),
        *_whole("Hostgroups", HOST_GROUPS, "Host Group Administrators", "Hostgroup"),
        *_whole("Sudo rules", f"cn=sudorules,{SUDO}", "Sudo Administrator", "Sudo rule"),
        *_whole("Sudo Commands", f"cn=sudocmds,{SUDO}", "Sudo Administrator", "Sudo Command"),
        *_whole("HBAC Rules", HBAC, "HBAC Administrator", "HBAC Rule", "(objectclass=ipahbacrule)"),
        *_groups_of_rules(),
        Permission("System: Add DNS Entries", DNS, "add", "", ("DNS Administrators",)),
        Permission("System: Read DNS Entries", DNS, "read,search,compare", "*", ("DNS Administrators",)),
        Permission("System: Remove DNS Entries", DNS, "delete", "", ("DNS Administrators",)),
        Permission("System: Update DNS Entries", DNS, "write", "*", ("DNS Administrators",)),
        *_whole("Roles", ROLES, "Delegation Administrator", "Role"),
        *_whole("Privileges", PRIVILEGES, "Delegation Administrator", "Privilege"),
        Permission("System: Read Roles", ROLES, "read,search,compare", "*", ("RBAC Readers",)),
        Permission("System: Read Privileges", PRIVILEGES, "read,search,compare", "*", ("RBAC Readers",)),
        Permission("System: Modify Privilege Membership", PERMISSIONS, "write", "member",
                   ("Delegation Administrator",)),
        Permission("System: Read Permissions", PERMISSIONS, "read,search,compare", "*", ("RBAC Readers",)),
        *_password_policies(),
    ]  # fmt: skip
    return made


def _password_policies() -> Iterator[Permission]:
    """Policies, and the templates that bind them to groups."""
    keepers = ("Password Policy Administrator",)
    for what, where, written in (
        ("", POLICIES, "krbmaxpwdlife || krbminpwdlife || krbpwdfailurecountinterval ||"
         " krbpwdhistorylength || krbpwdlockoutduration || krbpwdmaxfailure || krbpwdmindiffchars ||"
         " krbpwdminlength || ipapwdmaxrepeat || ipapwdmaxsequence || ipapwddictcheck || ipapwdusercheck ||"
         " passwordgracelimit"),
        (" costemplate", COS_TEMPLATES, "cospriority"),
    ):  # fmt: skip
        name = f"Group Password Policy{what}"
        yield Permission(f"System: Read {name}", where, "read,search,compare", "*",
                         ("Password Policy Readers", *keepers))  # fmt: skip
        yield Permission(f"System: Add {name}", where, "add", "", keepers)
        yield Permission(f"System: Delete {name}", where, "delete", "", keepers)
        yield Permission(f"System: Modify {name}", where, "write", written, keepers)


def _groups_of_rules() -> Iterator[Permission]:
    """What rules are made of. Descriptions of HBAC services and their groups can't be delegated."""
    keepers, sudo = ("HBAC Administrator",), ("Sudo Administrator",)
    yield Permission("System: Add Sudo Command Group", SUDO_COMMAND_GROUPS, "add", "", sudo)
    yield Permission("System: Delete Sudo Command Group", SUDO_COMMAND_GROUPS, "delete", "", sudo)
    yield Permission("System: Modify Sudo Command Group", SUDO_COMMAND_GROUPS, "write", "description", sudo)
    yield Permission(
        "System: Manage Sudo Command Group Membership", SUDO_COMMAND_GROUPS, "write", "member", sudo
    )
    for what, where in (("Services", HBAC_SERVICES), ("Service Groups", HBAC_SERVICE_GROUPS)):
        yield Permission(f"System: Add HBAC {what}", where, "add", "", keepers)
        yield Permission(f"System: Delete HBAC {what}", where, "delete", "", keepers)
    yield Permission(
        "System: Manage HBAC Service Group Membership", HBAC_SERVICE_GROUPS, "write", "member", keepers
    )


def _whole(plural: str, where: str, privilege: str, single: str, condition: str = "") -> list[Permission]:
    """Adding, changing, removing and reading one kind of entry."""
    return [
        Permission(f"System: Add {plural}", where, "add", "", (privilege,)),
        Permission(f"System: Modify {single}", where, "write", "*", (privilege,), condition),
        Permission(f"System: Remove {plural}", where, "delete", "", (privilege,)),
        Permission(f"System: Read {single} Entries", where, "read,search,compare", "*", (privilege,)),
    ]


def rules(base: str) -> Iterator[tuple[str, str]]:
    """Pairs of a container ("" is the suffix) and an access rule (ACI) on it."""
    admins = f'groupdn = "ldap:///cn=admins,cn=groups,cn=accounts,{base}"'
    # Passwords and keys can be replaced and looked for, never read. What isn't named here or below is hidden,
    # entryUUID and nsUniqueId among it.
    hidden = "userPassword || krbPrincipalKey || ipaUniqueId || memberOf || nsUniqueId || entryUUID"
    yield "", _rule("Admin can manage any entry", admins, "all", f'(targetattr != "{hidden}")')
    yield (
        "",
        _rule(
            "Admin can write passwords",
            admins,
            "add,delete,search,write",
            '(targetattr = "userPassword || krbPrincipalKey")',
        ),
    )
    yield (
        "",
        _rule(
            "Admins read unique ids",
            admins,
            "read,search,compare",
            '(targetattr = "ipaUniqueId || memberOf")',
        ),
    )
    yield (
        "",
        _rule(
            "Admins place unique ids",
            admins,
            "write",
            '(targetattr = "ipaUniqueId")(targattrfilters = "add=ipaUniqueId:(!(ipaUniqueId=autogenerate))")',
        ),
    )
    yield (
        "",
        _rule(
            "Search existence of password and kerberos keys",
            ALL,
            "search",
            '(targetattr = "userPassword || krbPrincipalKey")',
        ),
    )
    yield (
        "",
        _rule(
            "Read DIT",
            ANYONE,
            "read,search,compare",
            '(targetattr = "cn || objectclass || dc || info || ou || nisdomain")'
            '(targetfilter = "(|(objectclass=nsContainer)(objectclass=domain)(objectclass=organization))")',
        ),
    )
    yield (
        "",
        _rule(
            "Read Timestamp and USN Operational Attributes",
            ANYONE,
            "read,search,compare",
            '(targetattr = "createtimestamp || entryusn || modifytimestamp")',
        ),
    )
    yield (
        USERS,
        _rule(
            "Read User Standard Attributes",
            ANYONE,
            "read,search,compare",
            f'(targetattr = "{STANDARD}")(targetfilter = "(objectclass=posixaccount)")',
        ),
    )
    yield (
        USERS,
        _rule(
            "Read User IPA Attributes",
            ALL,
            "read,search,compare",
            '(targetattr = "ipasshpubkey || ipauniqueid || ipauserauthtype || userclass")',
        ),
    )
    yield (
        USERS,
        _rule(
            "Read User Kerberos Attributes",
            ALL,
            "read,search,compare",
            '(targetattr = "krbcanonicalname || krbprincipalexpiration || krbprincipalname ||'
            ' nsaccountlock")',
        ),
    )
    yield USERS, _rule("Read User Membership", ALL, "read,search,compare", '(targetattr = "memberof")')
    yield USERS, _rule("User Self service", SELF, "write", f'(targetattr = "{OWN}")')
    yield USERS, _rule("Self can write own password", SELF, "write", '(targetattr = "userPassword")')
    yield (
        USERS,
        _rule("Users can manage their own SSH public keys", SELF, "write", '(targetattr = "ipasshpubkey")'),
    )
    yield (
        GROUPS,
        _rule(
            "Read Groups",
            ANYONE,
            "read,search,compare",
            '(targetattr = "businesscategory || cn || description || gidnumber || o || objectclass || ou'
            ' || owner || seealso")',
        ),
    )
    yield (
        GROUPS,
        _rule(
            "Read Group Membership",
            ALL,
            "read,search,compare",
            '(targetattr = "ipauniqueid || member || memberof || memberuid || memberuser || memberhost")',
        ),
    )
    for where in (HOSTS, HOST_GROUPS, SERVICES, HBAC, SUDO, "cn=ng,cn=alt"):
        yield (
            where,
            _rule(
                f"Read entries of {where}",
                ALL,
                "read,search,compare",
                '(targetattr != "userPassword || krbPrincipalKey || aci || nsUniqueId || entryUUID")',
            ),
        )
    yield (
        "cn=ipaConfig,cn=etc",
        _rule("Read Global Configuration", ALL, "read,search,compare", '(targetattr != "aci")'),
    )
    for permission in permissions():
        yield permission.where, permission_rule(permission_entry(permission, base), base)


def permission_entry(permission: Permission, base: str) -> dict[str, list[str]]:
    """The attributes of a built-in permission's entry, by their names in small letters."""
    made = {
        "cn": [permission.name],
        "ipapermissiontype": ["SYSTEM", "V2", "MANAGED"],
        "ipapermbindruletype": [permission.bind],
        "ipapermlocation": [f"{permission.where},{base}"],
        "ipapermright": permission.rights.split(","),
        "ipapermdefaultattr": [one for one in map(str.strip, permission.attributes.split("||")) if one],
        "member": [f"cn={one},{PRIVILEGES},{base}" for one in permission.privileges],
    }
    # Without a target the rule would also cover the container itself, which nobody is to remove. A wildcard
    # counts only behind an attribute's name.
    if permission.rights in ("add", "delete"):
        made["ipapermtarget"] = [f"{NAMED_BY.get(permission.where, 'cn')}=*,{permission.where},{base}"]
    if permission.filter:
        made["ipapermtargetfilter"] = [permission.filter.format(base=base)]
    return made


def effective_attributes(entry: dict[str, list[str]]) -> list[str]:
    """The attributes that a permission covers, from the parts in its entry."""
    made = {*entry.get("ipapermdefaultattr", ()), *entry.get("ipapermincludedattr", ())}
    if "read" in entry.get("ipapermright", ()) and "objectclass" in [one.lower() for one in made]:
        made |= {"entryusn", "createtimestamp", "modifytimestamp"}
    return sorted(made - set(entry.get("ipapermexcludedattr", ())))


def permission_rule(entry: dict[str, list[str]], base: str) -> str:
    """The access rule behind a permission, from its entry."""
    name = entry["cn"][0]
    grantee = f'groupdn = "ldap:///cn={name},{PERMISSIONS},{base}"'
    bind = entry.get("ipapermbindruletype", ["permission"])[0]
    grantee = {"permission": grantee, "all": ALL, "anonymous": ANYONE}[bind]
    attributes = " || ".join(effective_attributes(entry))
    target = f'(targetattr = "{attributes}")' if attributes else ""
    for kind in ("target", "targetto", "targetfrom"):
        for dn in entry.get(f"ipaperm{kind}", ()):
            target += f'({kind.replace("target", "target_").rstrip("_")} = "ldap:///{dn}")'
    filters = sorted(entry.get("ipapermtargetfilter", ()))
    if filters:
        joined = filters[0] if len(filters) == 1 else f"(&{''.join(filters)})"
        target += f'(targetfilter = "{joined}")'
    return _rule(f"permission:{name}", grantee, ",".join(sorted(entry["ipapermright"])), target)


def _rule(name: str, who: str, rights: str, target: str) -> str:
    return f'{target}(version 3.0; acl "{name}"; allow ({rights}) {who};)'
