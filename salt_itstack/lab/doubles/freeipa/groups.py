"""Groups of people: group_add, group_show, group_mod, group_find, group_del, and their members."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from salt_itstack.lab.doubles.freeipa import access, errors, parameters
from salt_itstack.lab.doubles.freeipa.commands import Call
from salt_itstack.lab.doubles.freeipa.kinds import Kind
from salt_itstack.lab.doubles.freeipa.parameters import Parameter
from salt_itstack.lab.doubles.freeipa.reading import Options
from salt_itstack.lab.doubles.freeipa.store import Found


def switch(name: str) -> Parameter:
    return Parameter(name, kind=parameters.truth, attribute=False)


class Groups(Kind):
    name = label = title = "group"
    titles = "groups"
    container = access.GROUPS
    key = Parameter("cn", "group_name", required=True, shape=str.lower, rule=parameters.account_name("group"))
    attributes = (
        Parameter("description", "desc"),
        Parameter("gidnumber", "gid", parameters.integer, rule=parameters.at_least(1)),
    )
    add_options = (switch("nonposix"), parameters.unoffered("external"))
    mod_options = (switch("posix"), parameters.unoffered("external"),
                   Parameter("rename", attribute=False, shape=str.lower,
                             rule=parameters.account_name("group")))  # fmt: skip
    find_options = (
        switch("posix"), switch("nonposix"), parameters.unoffered("external"),
        parameters.unoffered("private"),
        *(Parameter(f"{prefix}_{kind}", f"{prefix}_{kind}s", many=True, attribute=False)
          for kind in ("group", "role", "hbacrule", "sudorule") for prefix in ("in", "not_in")),
    )  # fmt: skip
    classes = ("top", "groupofnames", "nestedgroup", "ipausergroup", "ipaobject")
    permission_classes = ("ipausergroup", "posixgroup")
    defaults = ("cn", "description", "gidnumber", "member", "memberof", "memberindirect", "memberofindirect")
    links = {
        "member": ("user", "group", "service"),
        "memberof": ("group", "netgroup", "role", "hbacrule", "sudorule"),
    }
    member_commands = (("member", "member", ("user", "group", "service", "idoverrideuser")),)

    def normal_key(self, call: Call, key: Any) -> str:
        return str(key).lower()

    def before_add(
        self, call: Call, key: str, values: dict[str, list[Any]], options: Options
    ) -> Options | None:
        if options.get("nonposix"):
            if "gidnumber" in values:
                raise errors.exclusive("gid cannot be set for non-posix groups")
            return None
        values["objectclass"].append("posixgroup")
        values.setdefault("gidnumber", ["-1"])
        return None

    def before_mod(
        self, call: Call, key: str, current: Found, wished: dict[str, list[Any]], options: Options
    ) -> Options | None:
        posix = "posixgroup" in [one.lower() for one in current.values["objectclass"]]
        if options.get("posix") and posix:
            raise errors.already_posix()
        if options.get("posix") or (wished.get("gidnumber") and not posix):
            wished["objectclass"] = [*current.values["objectclass"], "posixgroup"]
            wished.setdefault("gidnumber", ["-1"])
        new = options.get("rename")
        if new not in (None, key):
            self.protect(call, key, current.dn)
            return {"changed": True}
        return None

    def after_mod(self, call: Call, key: str, dn: str, options: Options) -> str | None:
        new = options.get("rename")
        if new in (None, key):
            return None
        if call.manager.get(self.dn(call, new), ["1.1"]):
            raise self._exists(new)
        call.me.rename(dn, f"cn={new}")
        return self.dn(call, new)

    def wanted(self, options: Options, extra: dict[str, Any] | None = None) -> list[str]:
        # A group that became a POSIX group is answered without its classes, an added one with them.
        extra = {
            name: one for name, one in (extra or {}).items() if name != "objectclass" or "cn" in (extra or {})
        }
        return super().wanted(options, extra)

    def protect(self, call: Call, key: str, dn: str) -> None:
        if key in ("admins", "trust admins", "editors"):
            raise errors.protected("group", key, "privileged group")
        if key == "ipausers":
            raise errors.RpcError(4018, "DefaultGroupError", "The default users group cannot be removed")

    def delete_one(self, call: Call, key: str, options: Options) -> None:
        found = call.me.get(self.dn(call, key), ["objectclass"])
        if found and "mepmanagedentry" in [one.lower() for one in found.values.get("objectclass", [])]:
            raise errors.managed_group()
        super().delete_one(call, key, options)
        policies = call.kinds["pwpolicy"]
        if call.me.get(policies.dn(call, key), ["1.1"]):
            policies.delete_one(call, key, {})

    def condition(self, call: Call) -> str:
        return "(objectClass=ipausergroup)"

    def _matching(self, call: Call, options: Options) -> str:
        made = super()._matching(call, options)
        if options.get("posix"):
            made += "(objectClass=posixgroup)"
        if options.get("nonposix"):
            made += "(!(objectClass=posixgroup))"
        return made

    def before_members(
        self, call: Call, key: str, dn: str, options: Options, attribute: str, kinds: Sequence[str], what: str
    ) -> None:
        if what != "delete" or key != "admins":
            return
        found = call.manager.get(dn, ["member"])
        members = {one.lower() for one in (found.values.get("member", []) if found else [])}
        leaving = {call.kinds["user"].dn(call, one).lower() for one in options.get("user") or []}
        if members and not members - leaving:
            raise errors.last_member("group", sorted(options["user"])[0], key)
