"""
Password policies: the global one, and those of groups.

A group's policy reaches its members through the directory server itself: a template for its Class of Service
plug-in, named by the group, gives each member the attribute krbPwdPolicyReference. It holds the priority.
https://github.com/freeipa/freeipa/blob/master/ipaserver/plugins/pwpolicy.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from salt_itstack.lab.doubles.freeipa import access, errors
from salt_itstack.lab.doubles.freeipa.commands import Call, Command
from salt_itstack.lab.doubles.freeipa.kinds import Kind
from salt_itstack.lab.doubles.freeipa.parameters import Parameter, at_least, between, integer, truth
from salt_itstack.lab.doubles.freeipa.reading import Options
from salt_itstack.lab.doubles.freeipa.store import ONE, Found, escape, key_of, name_in_dn

GLOBAL = "global_policy"
# Requests and answers count in days and hours, the directory in seconds.
SECONDS = {"krbmaxpwdlife": 86400, "krbminpwdlife": 3600}
# What libpwquality checks, which itself takes no password shorter than this.
QUALITY = ("ipapwdmaxrepeat", "ipapwdmaxsequence", "ipapwddictcheck", "ipapwdusercheck")
SHORTEST_WITH_QUALITY = 6
LARGEST = 2**32 - 1
PRIORITY = Parameter("cospriority", "priority", integer, attribute=False, rule=at_least(0))


def number(name: str, cli: str, least: int = 0, most: int = 0) -> Parameter:
    return Parameter(name, cli, integer, rule=between(least, most) if most else at_least(least))


class Policies(Kind):
    name = "pwpolicy"
    label = "password policy"
    key = Parameter("cn", "group")
    attributes = (
        number("krbmaxpwdlife", "maxlife", 0, 20000), number("krbminpwdlife", "minlife"),
        number("krbpwdhistorylength", "history"), number("krbpwdmindiffchars", "minclasses", 0, 5),
        number("krbpwdminlength", "minlength"), number("krbpwdmaxfailure", "maxfail"),
        number("krbpwdfailurecountinterval", "failinterval"), number("krbpwdlockoutduration", "lockouttime"),
        number("ipapwdmaxrepeat", "maxrepeat", 0, 256), number("ipapwdmaxsequence", "maxsequence", 0, 256),
        Parameter("ipapwddictcheck", "dictcheck", truth), Parameter("ipapwdusercheck", "usercheck", truth),
        number("passwordgracelimit", "gracelimit", -1, LARGEST),
    )  # fmt: skip
    add_options = (replace(PRIORITY, required=True),)
    mod_options = find_options = (PRIORITY,)
    classes = ("top", "nscontainer", "krbpwdpolicy", "ipapwdpolicy")
    permission_classes = ("krbpwdpolicy", "ipapwdpolicy")
    defaults = ("cn", *(one.name for one in attributes))
    searched = ("cn",)
    numbered = False

    def commands(self) -> list[Command]:
        made = super().commands()
        for place, command in enumerate(made):
            if command.name in ("pwpolicy_add", "pwpolicy_del"):
                # Without a key the others mean the global policy.
                needed = replace(self.key, required=True, many=command.name == "pwpolicy_del")
                made[place] = replace(command, arguments=[needed])
            if command.name == "pwpolicy_show":
                made[place] = replace(command, options=(*command.options, Parameter("user", attribute=False)))
        return made

    def base(self, call: Call) -> str:
        return f"cn={call.realm.name},cn=kerberos,{call.realm.base}"

    def dn(self, call: Call, key: str | None) -> str:
        return super().dn(call, GLOBAL if key is None else key)

    def normal_key(self, call: Call, key: Any) -> Any:
        return key

    def condition(self, call: Call) -> str:
        return "(objectClass=krbpwdpolicy)"

    # --- commands

    def show(self, call: Call, key: str | None, options: Options) -> dict[str, Any]:
        person = options.get("user")
        if person is None:
            return super().show(call, key, options)
        people = call.kinds["user"]
        found = call.me.get(people.dn(call, people.normal_key(call, person)), ["krbpwdpolicyreference"])
        if found is None:
            raise people.missing(person)
        named = found.first("krbpwdpolicyreference")
        shown = super().show(call, key_of(named) if named else key, options)
        if key is None:
            shown["result"].pop("cospriority", None)
        return {**shown, "value": key}

    def find(self, call: Call, criteria: str | None, options: Options) -> dict[str, Any]:
        found = super().find(call, criteria, options)
        priorities = self._priorities(call)

        def place(entry: dict[str, Any]) -> tuple[bool, int]:
            name = entry["cn"][0]
            return name == GLOBAL, int(priorities.get(name, "0"))

        found["result"].sort(key=place)
        return found

    def delete_one(self, call: Call, key: str, options: Options) -> None:
        if key == GLOBAL:
            raise errors.validation("group", "cannot delete global password policy")
        super().delete_one(call, key, options)
        template = self._template(call, key)
        if call.me.get(template, ["1.1"]):
            call.me.delete(template)

    # --- hooks

    def before_add(
        self, call: Call, key: str, values: dict[str, list[Any]], options: Options
    ) -> Options | None:
        values.setdefault("passwordgracelimit", [-1])
        _to_seconds(values)
        _check(values, {})
        groups = call.kinds["group"]
        group = call.me.get(groups.dn(call, groups.normal_key(call, key)), ["objectclass"])
        if group is None:
            raise groups.missing(key)
        if "mepmanagedentry" in [one.lower() for one in group.values.get("objectclass", [])]:
            raise errors.managed_policy()
        self._refuse_taken(call, options["cospriority"])
        template = self._template(call, key)
        if call.me.get(template, ["1.1"]):
            raise errors.duplicate(f'entry with name "{key}" already exists')
        call.me.add(
            template,
            {
                "objectclass": ["top", "costemplate", "extensibleobject", "krbcontainer"],
                "krbpwdpolicyreference": [self.dn(call, key)],
                "cospriority": [str(options["cospriority"])],
            },
        )
        return None

    def before_mod(
        self, call: Call, key: str | None, current: Found, wished: dict[str, list[Any]], options: Options
    ) -> Options | None:
        _to_seconds(wished)
        _check(wished, current.values)
        priority = options.get("cospriority")
        if priority is None:
            return None
        if key is None:
            raise errors.validation("priority", "priority cannot be set on global policy")
        if self._priorities(call).get(key) == str(priority):
            return None
        self._refuse_taken(call, priority)
        call.me.change(self._template(call, key), [("replace", "cosPriority", [str(priority)])])
        return {"changed": True}

    def mod(self, call: Call, key: str | None, options: Options) -> dict[str, Any]:
        if call.me.get(self.dn(call, key), ["1.1"]) is None:
            # The real command reads the policy before it knows how to say which one is missing.
            raise errors.not_found("no such entry")
        return super().mod(call, key, options)

    def finish(
        self, call: Call, found: Found, result: dict[str, Any], wanted: Sequence[str], options: Options,
        what: str,
    ) -> None:  # fmt: skip
        if options.get("pkey_only"):
            return
        name = found.first("cn")
        if name != GLOBAL and name in (priorities := self._priorities(call, name)):
            result["cospriority"] = [priorities[name]]
        if not options.get("raw"):
            for attribute, seconds in SECONDS.items():
                if result.get(attribute):
                    result[attribute] = [str(int(result[attribute][0]) // seconds)]

    # --- priorities

    def _templates(self, call: Call) -> str:
        return f"{access.COS_TEMPLATES},{call.realm.base}"

    def _template(self, call: Call, key: str) -> str:
        return f"cn={name_in_dn(call.kinds['group'].dn(call, key))},{self._templates(call)}"

    def _priorities(self, call: Call, name: str = "") -> dict[str, str]:
        """The priority of each group's policy, or of one, by the policies' names."""
        one = f"(krbPwdPolicyReference={escape(self.dn(call, name))})" if name else ""
        condition = f"(&(objectClass=cosTemplate)(krbPwdPolicyReference=*){one})"
        names = ["krbpwdpolicyreference", "cospriority"]
        found, _ = call.me.search(self._templates(call), ONE, condition, names)
        return {key_of(row.first("krbpwdpolicyreference")): row.first("cospriority") for row in found}

    def _refuse_taken(self, call: Call, priority: int) -> None:
        for name, taken in self._priorities(call).items():
            if taken == str(priority):
                text = f"priority must be a unique value ({priority} already used by {name})"
                raise errors.validation("priority", text)


def _to_seconds(values: dict[str, list[Any]]) -> None:
    for name, seconds in SECONDS.items():
        if values.get(name):
            values[name] = [values[name][0] * seconds]


def _check(wished: dict[str, list[Any]], current: dict[str, list[str]]) -> None:
    """Refuse what makes no sense together, with what is there already."""

    def value(name: str) -> int:
        many = wished.get(name, current.get(name)) or [0]
        return int({"TRUE": 1, "FALSE": 0}.get(str(many[0]).upper(), many[0]))

    if 0 < value("krbpwdminlength") < SHORTEST_WITH_QUALITY and any(value(name) for name in QUALITY):
        text = "Minimum length must be >= 6 if maxrepeat, maxsequence, dictcheck or usercheck are defined"
        raise errors.validation("minlength", text)
    if 0 < value("krbmaxpwdlife") < value("krbminpwdlife"):
        text = "Maximum password life must be equal to or greater than the minimum."
        raise errors.validation("maxlife", text)
