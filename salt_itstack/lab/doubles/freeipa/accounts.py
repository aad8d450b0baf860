"""System accounts: applications bind to the directory with them, and can't use the RPC interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from salt_itstack.lab.doubles.freeipa import access, parameters
from salt_itstack.lab.doubles.freeipa.commands import Call, Command
from salt_itstack.lab.doubles.freeipa.kinds import Kind
from salt_itstack.lab.doubles.freeipa.parameters import Parameter
from salt_itstack.lab.doubles.freeipa.people import check_password, has_password, random_password, set_lock
from salt_itstack.lab.doubles.freeipa.reading import Options
from salt_itstack.lab.doubles.freeipa.store import Found
from salt_itstack.lab.doubles.freeipa.tree import PRIVILEGED

SWITCHES = tuple(Parameter(name, kind=parameters.truth, attribute=False) for name in ("random", "privileged"))


class Accounts(Kind):
    name = "sysaccount"
    label = title = "system account"
    titles = "system accounts"
    container, rdn = access.ACCOUNTS, "uid"
    key = Parameter(
        "uid", "login", required=True, shape=str.lower, rule=parameters.account_name("sysaccount")
    )
    attributes = (
        Parameter("description", "desc"),
        Parameter("userpassword", "password"),
        Parameter("nsaccountlock", kind=parameters.truth),
    )
    add_options = mod_options = SWITCHES
    classes = ("account", "simplesecurityobject", "top")
    defaults = ("uid", "description", "memberof", "nsaccountlock")
    links = {"memberof": ("role",)}
    searched = ("uid", "description")
    numbered = False

    def commands(self) -> list[Command]:
        made = [Command(f"{self.name}_{verb}", run, [self.key]) for verb, run in
                (("enable", self.enable), ("disable", self.disable))]  # fmt: skip
        return super().commands() + made

    def normal_key(self, call: Call, key: Any) -> str:
        return str(key).lower()

    def before_add(
        self, call: Call, key: str, values: dict[str, list[Any]], options: Options
    ) -> Options | None:
        return self._password(values, options)

    def before_mod(
        self, call: Call, key: str, current: Found, wished: dict[str, list[Any]], options: Options
    ) -> Options | None:
        if "privileged" in options:
            self._set_privileged(call, current.dn, bool(options["privileged"]))
        return self._password(wished, options)

    def _password(self, values: dict[str, list[Any]], options: Options) -> Options:
        shown: Options = {}
        if options.get("random"):
            shown["randompassword"] = random_password()
            values["userpassword"] = [shown["randompassword"]]
        if values.get("userpassword"):
            check_password(values["userpassword"][0])
        return shown

    def after_add(self, call: Call, key: str, dn: str, options: Options) -> None:
        if options.get("privileged"):
            self._set_privileged(call, dn, True)
        text = f"To bind to LDAP with system account '{key}', use the bind DN '{dn}'."
        call.tell("info", "SystemAccountUsage", 13036, text, uid=key, dn=dn)

    def delete_one(self, call: Call, key: str, options: Options) -> None:
        super().delete_one(call, key, options)
        self._set_privileged(call, self.dn(call, key), False)

    def _set_privileged(self, call: Call, dn: str, wanted: bool) -> None:
        """Kept in the server's configuration: a change of it alone is answered as no modification at all."""
        if self._is_privileged(call, dn) != wanted:
            call.manager.change(PRIVILEGED, [("add" if wanted else "delete", "seeAlso", [dn])])

    def _is_privileged(self, call: Call, dn: str) -> bool:
        found = call.manager.get(PRIVILEGED, ["seealso"])
        return bool(found) and dn.lower() in [one.lower() for one in found.values.get("seealso", [])]

    def enable(self, call: Call, key: str, options: Options) -> dict[str, Any]:
        set_lock(call, self, key, self.dn(call, key), False)
        return {"result": True, "value": key, "summary": f'Enabled system account "{key}"'}

    def disable(self, call: Call, key: str, options: Options) -> dict[str, Any]:
        set_lock(call, self, key, self.dn(call, key), True)
        return {"result": True, "value": key, "summary": f'Disabled system account "{key}"'}

    def condition(self, call: Call) -> str:
        return "(&(objectClass=account)(objectClass=simplesecurityobject))"

    def _said(self, verb: str, key: str) -> str | None:
        # The real server says so.
        return f'Modified service "{key}"' if verb == "Modified" else super()._said(verb, key)

    def finish(
        self,
        call: Call,
        found: Found,
        result: dict[str, Any],
        wanted: Sequence[str],
        options: Options,
        what: str,
    ) -> None:
        result.pop("userpassword", None)
        if options.get("pkey_only"):
            return
        result["privileged"] = self._is_privileged(call, found.dn)
        result["nsaccountlock"] = found.first("nsaccountlock", "FALSE").upper() == "TRUE"
        if what in ("show", "find"):
            result["has_password"] = has_password(call, found.dn)
