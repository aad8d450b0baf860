"""Roles, the privileges that make them up, and the permissions that make those up."""

from __future__ import annotations

from salt_itstack.lab.doubles.freeipa import access
from salt_itstack.lab.doubles.freeipa.commands import Command
from salt_itstack.lab.doubles.freeipa.kinds import Kind
from salt_itstack.lab.doubles.freeipa.parameters import Parameter, words


class Roles(Kind):
    name = label = title = "role"
    titles = "roles"
    container = access.ROLES
    key = Parameter("cn", "name", required=True)
    attributes = words("description:desc")
    classes = ("groupofnames", "nestedgroup", "top")
    defaults = ("cn", "description", "member", "memberof", "memberindirect", "memberofindirect")
    links = {
        "member": ("user", "group", "host", "hostgroup", "service", "sysaccount"),
        "memberof": ("privilege",),
    }
    member_commands = (
        (
            "member",
            "member",
            ("user", "group", "host", "hostgroup", "service", "idoverrideuser", "sysaccount"),
        ),
    )
    reverse_commands = (("privilege", "privilege"),)
    numbered = False

    def condition(self, call: object) -> str:
        return "(objectClass=nestedgroup)"


class Privileges(Kind):
    name = label = title = "privilege"
    titles = "privileges"
    container = access.PRIVILEGES
    key = Parameter("cn", "name", required=True)
    attributes = words("description:desc")
    classes = ("nestedgroup", "groupofnames", "top")
    defaults = ("cn", "description", "member", "memberof", "memberindirect", "memberofindirect")
    links = {"member": ("role",), "memberof": ("permission",)}
    reverse_commands = (("permission", "permission"),)
    numbered = False

    def condition(self, call: object) -> str:
        return "(objectClass=nestedgroup)"


class Permissions(Kind):
    """Only to be named by privileges: there are no commands for them here."""

    name = label = "permission"
    container = access.PERMISSIONS

    def commands(self) -> list[Command]:
        return []
