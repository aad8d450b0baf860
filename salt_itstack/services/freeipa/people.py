"""People, their groups, and the accounts that applications bind with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import Problem
from ...reconcile import Field, Resource, caseless, unordered
from .kinds import (
    DESCRIPTION,
    MEMBER,
    Kind,
    account_name,
    flag,
    folded,
    is_posix,
    moment,
    number,
    principals,
    public_keys,
    single,
)


def _never_less_than_posix(
    name: str, wanted: Mapping[str, Any], found: Mapping[str, Any] | None
) -> Iterable[Problem]:
    if found is not None and wanted.get("posix") is False and is_posix(found.get("objectclass")):
        yield Problem(
            "", f"{name}:posix", False, "this is a POSIX group, and FreeIPA can't take that away",
            "declare `posix: true`, or remove the group and make it again",
        )  # fmt: skip


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
    wrong=account_name(32),
)  # fmt: skip


GROUP = Kind(
    name="group",
    plural="groups",
    command="group",
    resource=Resource(
        kind="group",
        key="cn",
        fields={
            "description": DESCRIPTION,
            "posix": Field("objectclass", is_posix),
            "group_number": Field("gidnumber", number),
            # Direct members; nested ones are under memberindirect_*.
            "users": Field("member_user", caseless),
            "groups": Field("member_group", caseless),
            "services": Field("member_service", principals),
        },
    ),
    members={"users": MEMBER["user"], "groups": MEMBER["group"], "services": MEMBER["service"]},
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
    wrong=account_name(255),
    checks=(_never_less_than_posix,),
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
            "description": DESCRIPTION,
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
