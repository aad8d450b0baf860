"""Rules about who may do what where: sudo rules with their commands, and host-based access rules."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from salt_itstack.lab.doubles.freeipa import access, errors
from salt_itstack.lab.doubles.freeipa.commands import Call, Command
from salt_itstack.lab.doubles.freeipa.kinds import NOT_THERE, Kind
from salt_itstack.lab.doubles.freeipa.parameters import ALL, NO_MEMBERS, RAW, Parameter, integer, words
from salt_itstack.lab.doubles.freeipa.reading import Options
from salt_itstack.lab.doubles.freeipa.store import ONE, Found, escape


def category(name: str, cli: str) -> Parameter:
    return Parameter(name, cli, rule=lambda value: None if value == "all" else "must be 'all'")


def network(value: str) -> str:
    """A network as it's kept: without the part of a host in it."""
    return str(ipaddress.ip_network(value, strict=False))


def no_mask(value: str) -> str | None:
    """What is wrong with a mask of hosts."""
    try:
        network(value)
    except ValueError:
        return "invalid hostmask"
    return None


class Rules(Kind):
    """What sudo rules and access rules share."""

    by_number = True
    # For each category: the attributes that it excludes, what they hold as one word and as a list of them.
    categories: dict[str, tuple[tuple[str, ...], str, str]] = {}
    attribute_categories: dict[str, str] = {}

    def commands(self) -> list[Command]:
        made = [Command(f"{self.name}_{verb}", run, [self.key]) for verb, run in
                (("enable", self.enable), ("disable", self.disable))]  # fmt: skip
        return super().commands() + made

    def before_add(
        self, call: Call, key: str, values: dict[str, list[Any]], options: Options
    ) -> Options | None:
        values["ipaenabledflag"] = ["TRUE"]
        return None

    def before_mod(
        self, call: Call, key: str, current: Found, wished: dict[str, list[Any]], options: Options
    ) -> Options | None:
        for name, (excluded, word, listed) in self.categories.items():
            if wished.get(name) == ["all"] and any(current.values.get(one) for one in excluded):
                raise errors.exclusive(f"{word} category cannot be set to 'all' while there are {listed}")
        return None

    def before_members(
        self, call: Call, key: str, dn: str, options: Options, attribute: str, kinds: Sequence[str], what: str
    ) -> None:
        name = self.attribute_categories.get(attribute.lower())
        if what != "add" or not name:
            return
        found = call.me.get(dn, [name])
        if found and found.first(name).lower() == "all":
            word = self.categories[name][1]
            raise errors.exclusive(f"{word}s cannot be added when {word} category='all'")

    def enable(self, call: Call, key: str, options: Options) -> dict[str, Any]:
        return self._switch(call, key, "TRUE", "Enabled")

    def disable(self, call: Call, key: str, options: Options) -> dict[str, Any]:
        return self._switch(call, key, "FALSE", "Disabled")

    def _switch(self, call: Call, key: str, value: str, verb: str) -> dict[str, Any]:
        dn = self.dn(call, key)
        found = call.me.get(dn, ["ipaenabledflag"])
        if found and found.first("ipaenabledflag") != value:
            call.me.change(dn, [("replace", "ipaEnabledFlag", [value])])
        return {"result": True, "value": key, "summary": self._said(verb, key)}

    def condition(self, call: Call) -> str:
        return f"(objectClass={self.classes[-1]})"


class AccessRules(Rules):
    name = "hbacrule"
    label = title = "HBAC rule"
    titles = "HBAC rules"
    container = access.HBAC
    key = Parameter("cn", "name", required=True)
    attributes = (
        Parameter("accessruletype", "type",
                  rule=lambda value: "The deny type has been deprecated." if value == "deny" else
                  None if value == "allow" else "must be 'allow'"),
        category("usercategory", "usercat"), category("hostcategory", "hostcat"),
        category("servicecategory", "servicecat"), *words("description:desc"),
    )  # fmt: skip
    classes = ("ipaassociation", "ipahbacrule")
    permission_classes = ("ipahbacrule",)
    defaults = (
        "cn", "ipaenabledflag", "description", "usercategory", "hostcategory", "servicecategory",
        "memberuser",
        "memberhost", "memberservice", "externalhost",
    )  # fmt: skip
    links = {"memberuser": ("user", "group"), "memberhost": ("host", "hostgroup"),
             "memberservice": ("hbacsvc", "hbacsvcgroup")}  # fmt: skip
    member_commands = (
        ("user", "memberUser", ("user", "group")),
        ("host", "memberHost", ("host", "hostgroup")),
        ("service", "memberService", ("hbacsvc", "hbacsvcgroup")),
    )
    categories = {
        "usercategory": (("memberuser",), "user", "allowed users"),
        "hostcategory": (("memberhost",), "host", "allowed hosts"),
        "servicecategory": (("memberservice",), "service", "allowed services"),
    }
    attribute_categories = {"memberuser": "usercategory", "memberhost": "hostcategory",
                            "memberservice": "servicecategory"}  # fmt: skip

    def before_add(
        self, call: Call, key: str, values: dict[str, list[Any]], options: Options
    ) -> Options | None:
        values.setdefault("accessruletype", ["allow"])
        return super().before_add(call, key, values, options)


class AccessServices(Kind):
    """https://github.com/freeipa/freeipa/blob/master/ipaserver/plugins/hbacsvc.py"""

    name = "hbacsvc"
    label = title = "HBAC service"
    titles = "HBAC services"
    container = access.HBAC_SERVICES
    key = Parameter("cn", "service", required=True, shape=str.lower)
    attributes = words("description:desc")
    classes = ("ipaobject", "ipahbacservice")
    permission_classes = ("ipahbacservice",)
    defaults = ("cn", "description", "memberof")
    links = {"memberof": ("hbacsvcgroup",)}

    def normal_key(self, call: Call, key: Any) -> str:
        return str(key).lower()


class AccessServiceGroups(Kind):
    """https://github.com/freeipa/freeipa/blob/master/ipaserver/plugins/hbacsvcgroup.py"""

    name = "hbacsvcgroup"
    label = title = "HBAC service group"
    titles = "HBAC service groups"
    container = access.HBAC_SERVICE_GROUPS
    key = Parameter("cn", "name", required=True, shape=str.lower)
    attributes = words("description:desc")
    classes = ("ipaobject", "ipahbacservicegroup")
    permission_classes = ("ipahbacservicegroup",)
    defaults = ("cn", "description", "member")
    links = {"member": ("hbacsvc",)}
    member_commands = (("member", "member", ("hbacsvc",)),)

    def normal_key(self, call: Call, key: Any) -> str:
        return str(key).lower()


class SudoCommands(Kind):
    name, label, title, titles = "sudocmd", "sudo command", "Sudo Command", "Sudo Commands"
    container = f"cn=sudocmds,{access.SUDO}"
    key = Parameter("sudocmd", "command", required=True)
    attributes = words("description:desc")
    classes = ("ipaobject", "ipasudocmd")
    permission_classes = ("ipasudocmd",)
    defaults = ("sudocmd", "description", "memberof")
    searched = ("sudocmd", "description")
    links = {"memberof": ("sudocmdgroup",)}
    by_number = True

    def protect(self, call: Call, key: str, dn: str) -> None:
        super().protect(call, key, dn)
        used = f"(|(memberallowcmd={escape(dn)})(memberdenycmd={escape(dn)}))"
        rules, _ = call.me.search(call.kinds["sudorule"].base(call), ONE, used, ["cn"])
        if rules:
            raise errors.dependent(key, "sudorule", ", ".join(rule.first("cn") for rule in rules))


class SudoCommandGroups(Kind):
    """https://github.com/freeipa/freeipa/blob/master/ipaserver/plugins/sudocmdgroup.py"""

    name, label, title, titles = (
        "sudocmdgroup", "sudo command group", "Sudo Command Group", "Sudo Command Groups",
    )  # fmt: skip
    container = access.SUDO_COMMAND_GROUPS
    key = Parameter("cn", "sudocmdgroup_name", required=True, shape=str.lower)
    attributes = words("description:desc")
    classes = ("ipaobject", "ipasudocmdgrp")
    permission_classes = ("ipasudocmdgrp",)
    defaults = ("cn", "description", "member")
    links = {"member": ("sudocmd",)}
    member_commands = (("member", "member", ("sudocmd",)),)

    def normal_key(self, call: Call, key: Any) -> str:
        return str(key).lower()


class SudoRules(Rules):
    name, label, title, titles = "sudorule", "sudo rule", "Sudo Rule", "Sudo Rules"
    container = f"cn=sudorules,{access.SUDO}"
    key = Parameter("cn", "sudorule_name", required=True)
    attributes = (
        *words("description:desc"), category("usercategory", "usercat"), category("hostcategory", "hostcat"),
        category("cmdcategory", "cmdcat"), category("ipasudorunasusercategory", "runasusercat"),
        category("ipasudorunasgroupcategory", "runasgroupcat"), Parameter("sudoorder", "order", integer),
    )  # fmt: skip
    classes = ("ipaassociation", "ipasudorule")
    permission_classes = ("ipasudorule",)
    defaults = (
        "cn", "ipaenabledflag", "externaluser", "description", "usercategory", "hostcategory", "cmdcategory",
        "memberuser", "memberhost", "memberallowcmd", "memberdenycmd", "ipasudoopt", "ipasudorunas",
        "ipasudorunasgroup", "ipasudorunasusercategory", "ipasudorunasgroupcategory", "ipasudorunasextuser",
        "ipasudorunasextgroup", "sudoorder", "hostmask", "externalhost",
    )  # fmt: skip
    links = {
        "memberuser": ("user", "group"), "memberhost": ("host", "hostgroup"),
        "memberallowcmd": ("sudocmd", "sudocmdgroup"), "memberdenycmd": ("sudocmd", "sudocmdgroup"),
        "ipasudorunas": ("user", "group"), "ipasudorunasgroup": ("group",),
    }  # fmt: skip
    member_commands = (
        ("user", "memberUser", ("user", "group")), ("host", "memberHost", ("host", "hostgroup")),
        ("allow_command", "memberAllowCmd", ("sudocmd", "sudocmdgroup")),
        ("deny_command", "memberDenyCmd", ("sudocmd", "sudocmdgroup")),
        ("runasuser", "ipaSudoRunAs", ("user", "group")), ("runasgroup", "ipaSudoRunAsGroup", ("group",)),
    )  # fmt: skip
    categories = {
        "usercategory": (("memberuser", "externaluser"), "user", "allowed users"),
        "hostcategory": (("memberhost", "externalhost", "hostmask"), "host", "allowed hosts"),
        "cmdcategory": (("memberallowcmd",), "command", "allowed commands"),
    }
    attribute_categories = {
        "memberuser": "usercategory",
        "memberhost": "hostcategory",
        "memberallowcmd": "cmdcategory",
    }
    # Where names go that nobody here has: the real server takes them for somebody else's.
    external = {"memberUser": "externalUser", "memberHost": "externalHost",
        "ipaSudoRunAs": "ipaSudoRunAsExtUser",
                "ipaSudoRunAsGroup": "ipaSudoRunAsExtGroup"}  # fmt: skip

    def commands(self) -> list[Command]:
        option = Parameter("ipasudoopt", "sudooption", required=True, attribute=False)
        shown = (ALL, RAW, NO_MEMBERS)
        made = [Command(f"sudorule_{verb}_option", run, [self.key], [option, *shown]) for verb, run in
                (("add", self.add_option), ("remove", self.remove_option))]  # fmt: skip
        mask = Parameter("hostmask", many=True, attribute=False, rule=no_mask)
        for command in super().commands():
            if command.name in ("sudorule_add_host", "sudorule_remove_host"):
                command = replace(command, options=(*command.options, mask))
            made.append(command)
        return made

    def before_add(
        self, call: Call, key: str, values: dict[str, list[Any]], options: Options
    ) -> Options | None:
        self._check_order(call, values)
        return super().before_add(call, key, values, options)

    def before_mod(
        self, call: Call, key: str, current: Found, wished: dict[str, list[Any]], options: Options
    ) -> Options | None:
        if [str(one) for one in wished.get("sudoorder", [])] != current.values.get("sudoorder", []):
            self._check_order(call, wished)
        return super().before_mod(call, key, current, wished, options)

    def _check_order(self, call: Call, values: dict[str, list[Any]]) -> None:
        for order in values.get("sudoorder", []):
            taken, _ = call.me.search(self.base(call), ONE, f"(sudoOrder={escape(str(order))})", ["cn"])
            if taken:
                told = f"order must be a unique value ({order} already used by {taken[0].first('cn')})"
                raise errors.validation("order", told)

    def after_members(self, call: Call, dn: str, options: Options, what: str) -> int:
        given = {network(one) for one in options.get("hostmask") or []}
        found = call.me.get(dn, ["hostmask"]) if given else None
        if found is None:
            return 0
        present = {network(one) for one in found.values.get("hostmask", [])}
        after = present | given if what == "add" else present - given
        if after != present:
            call.me.change(dn, [("replace", "hostMask", sorted(after) or None)])
        return len(after ^ present)

    def change_member(self, call: Call, dn: str, attribute: str, kind: str, name: str, what: str) -> str:
        wrong = super().change_member(call, dn, attribute, kind, name, what)
        beside = self.external.get(attribute)
        if not wrong or not beside or wrong not in ("no such entry", NOT_THERE):
            return wrong
        try:
            call.me.change(dn, [(what, beside, [name])])
        except errors.RpcError as error:
            if error.code == 4202:
                return "This entry is already a member" if what == "add" else NOT_THERE
            return error.message
        return ""

    def add_option(self, call: Call, key: str, options: Options) -> dict[str, Any]:
        return self._change_option(call, key, options, "add", errors.duplicate())

    def remove_option(self, call: Call, key: str, options: Options) -> dict[str, Any]:
        gone = errors.value_not_there("ipasudoopt", str(options["ipasudoopt"]))
        return self._change_option(call, key, options, "delete", gone)

    def _change_option(
        self, call: Call, key: str, options: Options, what: str, otherwise: errors.RpcError
    ) -> dict[str, Any]:
        dn = self.dn(call, key)
        try:
            call.me.change(dn, [(what, "ipaSudoOpt", [options["ipasudoopt"]])])
        except errors.RpcError as error:
            raise otherwise if error.code == 4202 else error from None
        wanted = self.wanted(options)
        result = self.answer(call, self._read(call, dn, wanted, key), wanted, options, "mod")
        return {"result": result, "value": key, "summary": None}

    def _switch(self, call: Call, key: str, value: str, verb: str) -> dict[str, Any]:
        return {"result": super()._switch(call, key, value, verb)["result"]}
