"""Roles, the privileges that make them up, and the permissions that make those up."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from typing import Any

import ldap
import ldap.dn

from salt_itstack.lab.doubles.freeipa import access, errors
from salt_itstack.lab.doubles.freeipa.commands import Call
from salt_itstack.lab.doubles.freeipa.kinds import Kind
from salt_itstack.lab.doubles.freeipa.parameters import Parameter, one_of, text, truth, words
from salt_itstack.lab.doubles.freeipa.reading import Options
from salt_itstack.lab.doubles.freeipa.store import BASE, Found, escape, key_of, name_in_dn, same_dn

TYPE_FILTER = r"(?i)\(objectclass=.*\)|\(\|(\(objectclass=[^(]*\))+\)"


def dn(name: str, value: Any) -> str:
    """A DN, which may be given as an LDAP address."""
    made = text(name, value).removeprefix("ldap:///")
    try:
        ldap.dn.str2dn(made)
    except ldap.DECODING_ERROR:
        raise errors.conversion(name, f'malformed RDN string = "{made}"') from None
    return made


def enclosed(value: str) -> str | None:
    """What is wrong with a filter."""
    return None if value.startswith("(") and value.endswith(")") else "must be enclosed in parentheses"


def plain_name(value: str) -> str | None:
    """What is wrong with a new permission's name: colons are for built-in ones."""
    if re.fullmatch(r"[-_ a-zA-Z0-9.]+", value):
        return None
    return "May only contain letters, numbers, -, _, ., and space"


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
    permission_classes = ("groupofnames",)

    def condition(self, call: Call) -> str:
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
    permission_classes = ("groupofnames",)

    def before_owners(self, call: Call, kind: str, names: Sequence[str]) -> None:
        for name in names:
            found = call.me.get(call.kinds[kind].dn(call, name), ["ipapermbindruletype"])
            bind = found.first("ipapermbindruletype", "permission") if found else "permission"
            if bind != "permission":
                told = f'cannot add permission "{name}" with bindtype "{bind}" to a privilege'
                raise errors.validation("permission", told)

    def condition(self, call: Call) -> str:
        return "(objectClass=nestedgroup)"


class Permissions(Kind):
    """
    Permissions, and the access rules behind them, which lie on the part of the tree that they are about.
    https://github.com/freeipa/freeipa/blob/master/ipaserver/plugins/permission.py
    """

    name = label = title = "permission"
    titles = "permissions"
    container = access.PERMISSIONS
    key = Parameter(
        "cn", "name", required=True,
        rule=lambda value: None if re.fullmatch(r"[-_ a-zA-Z0-9.:/]+", value) else
        "May only contain letters, numbers, -, _, ., :, /, and space",
    )  # fmt: skip
    attributes = (
        Parameter("ipapermright", "right", many=True,
                  rule=one_of("read", "search", "compare", "write", "add", "delete", "all")),
        Parameter("ipapermbindruletype", "bindtype", rule=one_of("permission", "all", "anonymous")),
        Parameter("ipapermlocation", "subtree", dn),
        Parameter("ipapermtargetfilter", "rawfilter", many=True, rule=enclosed),
        Parameter("ipapermtarget", "target", dn), Parameter("ipapermtargetto", "targetto", dn),
        Parameter("ipapermtargetfrom", "targetfrom", dn),
    )  # fmt: skip
    shorthands = (
        Parameter("attrs", many=True, attribute=False), Parameter("memberof", many=True, attribute=False),
        Parameter("extratargetfilter", "filter", many=True, attribute=False, rule=enclosed),
        Parameter("targetgroup", attribute=False), Parameter("type", attribute=False),
    )  # fmt: skip
    parts = words("ipapermincludedattr:includedattrs", "ipapermexcludedattr:excludedattrs", many=True)
    add_options = shorthands
    mod_options = (*shorthands, *parts, Parameter("rename", attribute=False, rule=plain_name))
    find_options = (*shorthands, *parts, *words("ipapermdefaultattr:defaultattrs", many=True))
    del_options = (Parameter("force", kind=truth, attribute=False),)
    classes = ("top", "groupofnames", "ipapermission", "ipapermissionv2")
    defaults = (
        "cn", "member", "memberof", "memberindirect", "ipapermissiontype", "objectclass",
        "ipapermdefaultattr", "ipapermincludedattr", "ipapermexcludedattr", "ipapermbindruletype",
        "ipapermlocation", "ipapermright", "ipapermtargetfilter", "ipapermtarget",
    )  # fmt: skip
    searched = ("cn", "ipapermright", "ipapermlocation")
    links = {"member": ("privilege", "role")}
    numbered = False
    permission_classes = ("ipapermission",)

    def condition(self, call: Call) -> str:
        return "(objectClass=ipapermission)"

    # --- the commands

    def before_add(
        self, call: Call, key: str, values: dict[str, list[Any]], options: Options
    ) -> Options | None:
        wrong = plain_name(key)
        if wrong:
            raise errors.validation("name", wrong)
        values["ipapermissiontype"] = ["SYSTEM", "V2"]
        values.setdefault("ipapermbindruletype", ["permission"])
        self._expand(call, values, options)
        if options.get("extratargetfilter"):
            values["ipapermtargetfilter"] = [
                *values.get("ipapermtargetfilter", []), *options["extratargetfilter"]
            ]  # fmt: skip
        if not values.get("ipapermlocation"):
            values["ipapermlocation"] = [call.realm.base]
        if options.get("attrs"):
            values["ipapermincludedattr"] = list(options["attrs"])
        self._check(call, values)
        return None

    def after_add(self, call: Call, key: str, dn: str, options: Options) -> None:
        try:
            self._put_rule(call, self._entry(call, dn))
        except errors.RpcError:
            # A permission without its rule would grant nothing, and stand in the way of another try.
            call.me.delete(dn)
            raise

    def mod(self, call: Call, key: str, options: Options) -> dict[str, Any]:
        if options.get("rename", key) is None:
            raise errors.validation("rename", "New name can not be empty")
        before = call.me.get(self.dn(call, key))
        done = super().mod(call, key, options)
        now = self._entry(call, self.dn(call, options.get("rename") or key))
        if before and access.permission_rule(before.values, call.realm.base) != access.permission_rule(
            now, call.realm.base
        ):
            self._take_rule(call, before.values)
            self._put_rule(call, now)
        done["result"]["dn"] = self.dn(call, options.get("rename") or key)
        return done

    def before_mod(
        self, call: Call, key: str, current: Found, wished: dict[str, list[Any]], options: Options
    ) -> Options | None:
        old = current.values
        self._refuse_system(old)
        managed = "MANAGED" in old.get("ipapermissiontype", ())
        if managed:
            self._refuse_on_managed(options)
        elif options.get("ipapermexcludedattr"):
            raise errors.validation("ipapermexcludedattr", "only available on managed permissions")
        for name in ("ipapermincludedattr", "ipapermexcludedattr"):
            if name in options:
                if "attrs" in options:
                    text = "attrs and included/excluded attributes are mutually exclusive"
                    raise errors.validation("attrs", text)
                wished[name] = list(options[name] or [])
        if "attrs" in options:
            attributes, given = set(options["attrs"] or ()), set(old.get("ipapermdefaultattr", ()))
            wished["ipapermincludedattr"] = sorted(attributes - given)
            wished["ipapermexcludedattr"] = sorted(given - attributes)
        if options.get("ipapermbindruletype") and old.get("member"):
            text = "cannot set bindtype for a permission that is assigned to a privilege"
            raise errors.validation("ipapermbindruletype", text)
        self._change_filters(call, old, wished, options)
        if wished.get("ipapermlocation") == []:
            wished["ipapermlocation"] = [call.realm.base]
        self._check(call, {**old, **wished})
        return {"changed": True} if options.get("rename") not in (None, key) else None

    def after_mod(self, call: Call, key: str, dn: str, options: Options) -> str | None:
        new = options.get("rename")
        if new in (None, key):
            return None
        if call.me.get(self.dn(call, new), ["1.1"]):
            raise self._exists(new)
        call.me.rename(dn, f"cn={name_in_dn(new)}")
        return self.dn(call, new)

    def delete_one(self, call: Call, key: str, options: Options) -> None:
        found = call.me.get(self.dn(call, key))
        if found is None:
            raise self.missing(key)
        if not options.get("force"):
            self._refuse_system(found.values)
            if found.values.get("ipapermdefaultattr"):
                raise errors.denied("cannot delete managed permissions")
        # Whoever may not remove the permission leaves its rule in place.
        super().delete_one(call, key, options)
        self._take_rule(call, found.values)

    def finish(
        self, call: Call, found: Found, result: dict[str, Any], wanted: Sequence[str], options: Options,
        what: str,
    ) -> None:  # fmt: skip
        if options.get("pkey_only"):
            return
        values = found.values
        if options.get("raw"):
            result["aci"] = [access.permission_rule(values, call.realm.base)]
            return
        for dn in values.get("ipapermtarget", ()):
            if (group := self._group_of(call, dn)) and group != "*":
                result["targetgroup"] = [group]
        kind, groups, implied = self._implied(call, values)
        if kind:
            result["type"] = [kind]
        if groups:
            result["memberof"] = groups
        extra = sorted(set(values.get("ipapermtargetfilter", ())) - implied)
        if extra:
            result["extratargetfilter"] = extra
        attributes = access.effective_attributes(values)
        if attributes:
            result["attrs"] = attributes
        if options.get("all"):
            return
        result.pop("ipapermtargetfilter", None)
        if not values.get("ipapermexcludedattr") and not values.get("ipapermdefaultattr"):
            result.pop("ipapermincludedattr", None)

    def _matching(self, call: Call, options: Options) -> str:
        made = super()._matching(call, options)
        for name in options.get("attrs") or ():
            name = escape(name)
            made += (
                f"(|(ipapermdefaultattr={name})(ipapermincludedattr={name}))(!(ipapermexcludedattr={name}))"
            )
        shorthand: dict[str, list[Any]] = {}
        self._expand(call, shorthand, options)
        for name, many in shorthand.items():
            made += "".join(f"({name}={escape(one)})" for one in many)
        return made

    # --- what stands behind the shorthands

    def _expand(self, call: Call, values: dict[str, list[Any]], options: Options) -> None:
        """Put what type, memberof and targetgroup mean into the attributes."""
        filters = []
        if "extratargetfilter" in options and "ipapermtargetfilter" in options:
            text = "cannot specify full target filter and extra target filter simultaneously"
            raise errors.validation("ipapermtargetfilter", text)
        for name in options.get("memberof") or ():
            filters.append(f"(memberOf={self._known_group(call, name)})")
        if options.get("targetgroup"):
            if "ipapermtarget" in options:
                raise errors.validation("ipapermtarget", "target and targetgroup are mutually exclusive")
            values["ipapermtarget"] = [self._known_group(call, options["targetgroup"])]
        if options.get("type"):
            if "ipapermlocation" in options:
                raise errors.validation("ipapermlocation", "subtree and type are mutually exclusive")
            kind = call.kinds.get(options["type"].lower())
            if kind is None:
                raise errors.validation("type", f'"{options["type"]}" is not an object type')
            if not kind.permission_classes:
                raise errors.validation("type", f'"{options["type"]}" is not a valid permission type')
            filters.append(_filter_of(kind))
            values["ipapermlocation"] = [kind.base(call)]
        if filters:
            values["ipapermtargetfilter"] = [*values.get("ipapermtargetfilter", []), *filters]

    def _change_filters(
        self, call: Call, old: dict[str, list[str]], wished: dict[str, list[Any]], options: Options
    ) -> None:
        """The filters after a change of the shorthands, of which each replaces only its own."""
        _, _, implied = self._implied(call, old)
        there = list(wished.get("ipapermtargetfilter", old.get("ipapermtargetfilter", [])))
        if "extratargetfilter" in options:
            there = [*(options["extratargetfilter"] or []), *implied]
        for shorthand, pattern in (("memberof", r"(?i)\(memberof=.*\)"), ("type", TYPE_FILTER)):
            if shorthand in options:
                there = [one for one in there if one not in implied or not re.fullmatch(pattern, one)]
        for name in ("targetgroup", "type"):
            attribute = {"targetgroup": "ipapermtarget", "type": "ipapermlocation"}[name]
            if name in options and not options[name]:
                wished.setdefault(attribute, [])
        made: dict[str, list[Any]] = {"ipapermtargetfilter": there}
        self._expand(call, made, options)
        wished.update({name: sorted(set(many)) for name, many in made.items()})

    def _implied(self, call: Call, values: dict[str, list[str]]) -> tuple[str, list[str], set[str]]:
        """The type and the groups that a permission's filters mean, and which filters those are."""
        filters, implied, groups = values.get("ipapermtargetfilter", []), set(), []
        for one in filters:
            found = re.fullmatch(r"(?i)\(memberof=(.*)\)", one)
            group = self._group_of(call, found[1]) if found else ""
            if group:
                groups.append(group)
                implied.add(one)
        for location in values.get("ipapermlocation", ()):
            for kind in call.kinds.values():
                condition = _filter_of(kind) if kind.permission_classes else ""
                if condition in filters and same_dn(kind.base(call), location):
                    return kind.name, groups, implied | {condition}
        return "", groups, implied

    def _known_group(self, call: Call, name: str) -> str:
        groups = call.kinds["group"]
        made = groups.dn(call, groups.normal_key(call, name))
        if call.me.get(made, ["1.1"]) is None:
            raise errors.not_found(f"{name}: group not found")
        return made

    def _group_of(self, call: Call, dn: str) -> str:
        """The name of the group with this DN, or nothing where it's another entry's."""
        with contextlib.suppress(ldap.DECODING_ERROR):
            if same_dn(dn, call.kinds["group"].dn(call, key_of(dn))):
                return key_of(dn)
        return ""

    # --- refusals

    def _refuse_system(self, values: dict[str, list[str]]) -> None:
        if values.get("ipapermissiontype") == ["SYSTEM"]:
            raise errors.denied("A SYSTEM permission may not be modified or removed")

    def _refuse_on_managed(self, options: Options) -> None:
        for name in sorted(options):
            if name == "rename":
                raise errors.validation(name, "cannot rename managed permissions")
            fixed = {one.name for one in self.attributes} - {"ipapermbindruletype"}
            if name in fixed or name == "extratargetfilter":
                raise errors.validation(name, "not modifiable on managed permissions")
        if options.get("type") or options.get("memberof"):
            raise errors.validation("ipapermtargetfilter", "not modifiable on managed permissions")

    def _check(self, call: Call, values: dict[str, list[Any]]) -> None:
        for one in values.get("ipapermtargetfilter") or ():
            try:
                call.me.search(call.realm.base, BASE, one, ["1.1"])
            except errors.RpcError:
                raise errors.validation("ipapermtargetfilter", "Bad search filter") from None
        location = values["ipapermlocation"][0]
        # Whoever may not see it is refused when he writes.
        if call.manager.get(location, ["1.1"]) is None:
            raise errors.validation("ipapermlocation", f"Entry {location} does not exist")
        targets = ("ipapermtarget", "ipapermtargetfilter", "ipapermincludedattr", "ipapermexcludedattr",
                   "ipapermdefaultattr")  # fmt: skip
        if not any(values.get(name) for name in targets):
            text = "there must be at least one target entry specifier (e.g. target, targetfilter, attrs)"
            raise errors.validation("target", text)
        if not values.get("ipapermright"):
            raise errors.required("ipapermright")

    # --- access rules

    def _entry(self, call: Call, dn: str) -> dict[str, list[str]]:
        found = call.me.get(dn)
        if found is None:
            raise errors.not_found("no such entry")
        return found.values

    def _put_rule(self, call: Call, values: dict[str, list[str]]) -> None:
        rule = access.permission_rule(values, call.realm.base)
        call.me.change(values["ipapermlocation"][0], [("add", "aci", [rule])])

    def _take_rule(self, call: Call, values: dict[str, list[str]]) -> None:
        location, name = values["ipapermlocation"][0], values["cn"][0]
        found = call.me.get(location, ["aci"])
        rules = found.values.get("aci", []) if found else []
        gone = [one for one in rules if f'acl "permission:{name}"' in one]
        if gone:
            call.me.change(location, [("delete", "aci", gone)])


def _filter_of(kind: Kind) -> str:
    """The filter for entries of one kind, as permissions about a type have it."""
    made = [f"(objectclass={one})" for one in sorted(kind.permission_classes)]
    return made[0] if len(made) == 1 else f"(|{''.join(made)})"
