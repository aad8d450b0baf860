"""People: user_add, user_show, user_mod, user_find, user_del, user_undel, user_enable, user_disable."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
import string
import time
from collections.abc import Sequence
from typing import Any

from salt_itstack.lab.doubles.freeipa import access, errors, parameters
from salt_itstack.lab.doubles.freeipa.commands import Call, Command
from salt_itstack.lab.doubles.freeipa.kinds import Kind
from salt_itstack.lab.doubles.freeipa.parameters import Parameter, words
from salt_itstack.lab.doubles.freeipa.reading import Options
from salt_itstack.lab.doubles.freeipa.store import BASE, ONE, Found, escape, same_dn
from salt_itstack.lab.doubles.freeipa.tree import USER_CLASSES

SHORTEST_PASSWORD = 8
PASSWORD_LIFE = 90 * 86400
DELETED = access.DELETED


def ssh_key(value: str) -> str:
    """A public key in the form that's stored, or a ValidationError."""
    pattern = r"(?:(?P<kind>(?:ssh|ecdsa|sk)-\S+) +)?(?P<blob>[A-Za-z0-9+/=]+)(?: +(?P<comment>.*))?"
    found = re.fullmatch(pattern, value.strip())
    try:
        blob = base64.b64decode(found["blob"], validate=True) if found else b""
    except (ValueError, binascii.Error):
        blob = b""
    size = int.from_bytes(blob[:4], "big")
    if not found or not 4 <= size <= len(blob) - 4:
        raise errors.validation("sshpubkey", "invalid SSH public key")
    kind = blob[4 : 4 + size].decode("ascii", "replace")
    if found["kind"] and found["kind"] != kind:
        raise errors.validation("sshpubkey", "invalid SSH public key")
    return " ".join(one for one in (kind, found["blob"], found["comment"]) if one)


def fingerprint(value: str) -> str:
    """What answers show of a public key."""
    kind, blob, *comment = value.split(" ", 2)
    digest = base64.b64encode(hashlib.sha256(base64.b64decode(blob)).digest()).decode().rstrip("=")
    return " ".join([f"SHA256:{digest}", *comment, f"({kind})"])


def random_password() -> str:
    """As long as the real server's, and of the same characters."""
    return "".join(
        secrets.choice(string.ascii_letters + string.digits + "<>@~-_.:/{}[]+^!?") for _ in range(22)
    )


def check_password(value: str) -> None:
    """Refuse what the password policy refuses, whoever sets it."""
    if len(value) < SHORTEST_PASSWORD:
        # The recording server had no password plug-in: this answer is unconfirmed.
        raise errors.database("Constraint violation", "Password is too short")


def stamp(seconds: float) -> str:
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(seconds))


class People(Kind):
    name = label = title = "user"
    titles = "users"
    container, rdn = access.USERS, "uid"
    key = Parameter("uid", "login", required=True, shape=str.lower, rule=parameters.account_name("user"))
    attributes = (
        Parameter("givenname", "first", required=True),
        Parameter("sn", "last", required=True),
        *words("cn", "displayname", "initials", "homedirectory:homedir", "gecos", "loginshell:shell"),
        Parameter("krbprincipalname", "principal", many=True),
        Parameter("krbprincipalexpiration", "principal_expiration", parameters.moment),
        Parameter("krbpasswordexpiration", "password_expiration", parameters.moment),
        *words("mail:email", many=True),
        Parameter("userpassword", "password"),
        Parameter("uidnumber", "uid", parameters.integer, rule=parameters.at_least(1)),
        Parameter("gidnumber", "gidnumber", parameters.integer, rule=parameters.at_least(1)),
        *words("street", "l:city", "st:state", "postalcode"),
        *words("telephonenumber:phone", "mobile", "pager", "facsimiletelephonenumber:fax", many=True),
        *words("ou:orgunit", "title", "manager"),
        *words("carlicense", many=True),
        Parameter("ipasshpubkey", "sshpubkey", many=True, shape=ssh_key),
        *words("userclass:class", "departmentnumber", many=True),
        *words("employeenumber", "employeetype", "preferredlanguage"),
        Parameter("nsaccountlock", kind=parameters.truth),
    )
    add_options = (Parameter("random", kind=parameters.truth, attribute=False),
                   Parameter("noprivate", kind=parameters.truth, attribute=False))  # fmt: skip
    mod_options = (Parameter("random", kind=parameters.truth, attribute=False),
                   Parameter("rename", attribute=False, shape=str.lower,
                       rule=parameters.account_name("user")))  # fmt: skip
    del_options = (Parameter("preserve", kind=parameters.truth, attribute=False),)
    find_options = (
        Parameter("whoami", kind=parameters.truth, attribute=False),
        Parameter("preserved", kind=parameters.truth, attribute=False),
        *(Parameter(f"{prefix}_{kind}", f"{prefix}_{kind}s", many=True, attribute=False)
          for kind in ("group", "role", "hbacrule", "sudorule") for prefix in ("in", "not_in")),
    )  # fmt: skip
    classes = USER_CLASSES
    defaults = (
        "uid", "givenname", "sn", "homedirectory", "krbcanonicalname", "krbprincipalname", "loginshell",
        "uidnumber",
        "gidnumber", "mail", "ou", "telephonenumber", "title", "memberof", "nsaccountlock",
        "memberofindirect",
        "userclass", "krbprincipalexpiration",
    )  # fmt: skip
    found = (
        "uid", "givenname", "sn", "homedirectory", "krbcanonicalname", "krbprincipalname", "loginshell",
        "uidnumber",
        "gidnumber", "mail", "telephonenumber", "title", "nsaccountlock",
    )  # fmt: skip
    searched = ("uid", "givenname", "sn", "telephonenumber", "ou", "title")
    links = {"memberof": ("group", "netgroup", "role", "hbacrule", "sudorule")}
    shows_password = answers_whole = True
    permission_classes = ("posixaccount",)

    def commands(self) -> list[Command]:
        made = [Command(f"user_{verb}", run, [self.key]) for verb, run in
                (("enable", self.enable), ("disable", self.disable), ("undel", self.undelete))]  # fmt: skip
        return super().commands() + made

    def normal_key(self, call: Call, key: Any) -> str:
        return str(key).lower()

    def key_limit(self, call: Call, key: str) -> str | None:
        longest = int(_setting(call, "ipamaxusernamelength"))
        return f"can be at most {longest} characters" if len(key) > longest else None

    # --- adding

    def before_add(
        self, call: Call, key: str, values: dict[str, list[Any]], options: Options
    ) -> Options | None:
        for dn in (self.dn(call, key), f"uid={key},{DELETED},{call.realm.base}"):
            if call.manager.get(dn, ["1.1"]):
                raise self._exists(key)
        self._number(call, key, values, options)
        first, last = values["givenname"][0], values["sn"][0]
        principal = f"{key}@{call.realm.name}"
        full = f"{first} {last}"
        for name, value in (
            ("cn", full), ("displayname", full), ("initials", first[0] + last[0]), ("gecos", full),
            ("homedirectory", f"{_setting(call, 'ipahomesrootdir')}/{key}"),
            ("loginshell", _setting(call, "ipadefaultloginshell")), ("krbprincipalname", principal),
            ("mail", f"{key}@{_setting(call, 'ipadefaultemaildomain')}"),
        ):  # fmt: skip
            values.setdefault(name, [value])
        values["krbcanonicalname"] = [values["krbprincipalname"][0]]
        self._complete(call, values)
        shown = self._password(values, options)
        if "userpassword" in values:
            # Whoever gets his password from somebody else must change it first.
            values["krbpasswordexpiration"] = [stamp(time.time())]
            values["krblastpwdchange"] = [stamp(time.time())]
        return shown

    def _number(self, call: Call, key: str, values: dict[str, list[Any]], options: Options) -> None:
        """Numbers, and whether a private group comes with them."""
        if options.get("noprivate"):
            values["description"] = ["__no_upg__"]
            if "gidnumber" not in values:
                group = call.me.get(_default_group(call), ["gidnumber"])
                if not group or not group.first("gidnumber"):
                    raise errors.not_found("Default group for new users is not POSIX")
                values["gidnumber"] = [group.first("gidnumber")]
        else:
            definition = f"cn=UPG Definition,cn=Definitions,cn=Managed Entries,cn=etc,{call.realm.base}"
            found = call.me.get(definition, ["originfilter"])
            if not found or not found.first("originfilter"):
                raise errors.denied("Could not read UPG Definition originfilter. Check your permissions.")
            if call.manager.get(f"cn={key},{access.GROUPS},{call.realm.base}", ["1.1"]):
                raise errors.RpcError(4024, "ManagedGroupExistsError",
                                      f"Unable to create private group. A group '{key}' already exists.",
                                      group=key)  # fmt: skip
        if "uidnumber" in values:
            number = values["uidnumber"][0]
            text = (
                f"User '{key}', with UID Number '{number}' is out of all ID Ranges,"
                " 'SID' will not be correctly generated."
            )
            call.tell("warning", "UidNumberOutOfLocalIDRange", 13034, text, user=key, uidnumber=number)
        else:
            values["uidnumber"] = ["-1"]
        values.setdefault("gidnumber", values["uidnumber"])

    def after_add(self, call: Call, key: str, dn: str, options: Options) -> None:
        base = call.realm.base
        call.me.change(_default_group(call), [("add", "member", [dn])])
        private = call.manager.get(f"cn={key},{access.GROUPS},{base}", ["ipauniqueid"])
        if private and private.first("ipauniqueid") == "autogenerate":
            call.manager.change(private.dn, [("replace", "ipaUniqueID", [self.new_number()])])

    def _complete(self, call: Call, values: dict[str, list[Any]]) -> None:
        """Bring values to the form that's stored."""
        if values.get("mail"):
            domain = _setting(call, "ipadefaultemaildomain")
            values["mail"] = [one if "@" in one else f"{one}@{domain}" for one in values["mail"]]
            for one in values["mail"]:
                if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", one):
                    raise errors.validation("email", f"invalid e-mail format: {one}")
        if values.get("manager"):
            given = values["manager"][0]
            dn = given if same_dn_syntax(given) else self.dn(call, given.lower())
            if call.me.get(dn, ["1.1"]) is None:
                raise errors.not_found(f"manager {given} not found")
            values["manager"] = [dn]
        if "krbprincipalname" in values:
            values["krbprincipalname"] = [one if "@" in one else f"{one}@{call.realm.name}"
                                          for one in values["krbprincipalname"]]  # fmt: skip

    def _password(self, values: dict[str, list[Any]], options: Options) -> Options:
        shown: Options = {}
        if options.get("random"):
            shown["randompassword"] = random_password()
            values["userpassword"] = [shown["randompassword"]]
        if values.get("userpassword"):
            check_password(values["userpassword"][0])
        return shown

    # --- changing

    def before_mod(
        self, call: Call, key: str, current: Found, wished: dict[str, list[Any]], options: Options
    ) -> Options | None:
        self._complete(call, wished)
        shown = self._password(wished, options)
        if options.get("rename") not in (None, key):
            shown["changed"] = True
        return shown

    def after_mod(self, call: Call, key: str, dn: str, options: Options) -> str | None:
        if options.get("userpassword") or options.get("random"):
            own = same_dn(dn, call.me.dn)
            # Both in one call: what the real server does is unconfirmed; expired is the stricter.
            until = time.time() + (PASSWORD_LIFE if own else 0)
            call.manager.change(dn, [("replace", "krbPasswordExpiration", [stamp(until)]),
                                     ("replace", "krbLastPwdChange", [stamp(time.time())])])  # fmt: skip
        new = options.get("rename")
        if new in (None, key):
            return None
        if call.manager.get(self.dn(call, new), ["1.1"]):
            raise self._exists(new)
        call.me.rename(dn, f"uid={new}")
        renamed = self.dn(call, new)
        found = call.manager.get(renamed, ["krbprincipalname"])
        principal = f"{new}@{call.realm.name}"
        others = [
            one for one in (found.values.get("krbprincipalname", []) if found else []) if one != principal
        ]
        call.manager.change(renamed, [("replace", "krbPrincipalName", [principal, *others]),
                                      ("replace", "krbCanonicalName", [principal])])  # fmt: skip
        return renamed

    def enable(self, call: Call, key: str, options: Options) -> dict[str, Any]:
        return self._lock(call, key, False)

    def disable(self, call: Call, key: str, options: Options) -> dict[str, Any]:
        self._keep_an_admin(call, key, self.dn(call, key))
        return self._lock(call, key, True)

    def _lock(self, call: Call, key: str, lock: bool) -> dict[str, Any]:
        dn = self.dn(call, key)
        set_lock(call, self, key, dn, lock)
        return {
            "result": True,
            "value": key,
            "summary": f'{"Disabled" if lock else "Enabled"} user account "{key}"',
        }

    # --- removing

    def protect(self, call: Call, key: str, dn: str) -> None:
        if key == "admin":
            raise errors.protected("user", key, "privileged user")
        self._keep_an_admin(call, key, dn)

    def _keep_an_admin(self, call: Call, key: str, dn: str) -> None:
        admins = call.manager.get(f"cn=admins,{access.GROUPS},{call.realm.base}", ["member"])
        members = admins.values.get("member", []) if admins else []
        if len(members) == 1 and same_dn(members[0], dn):
            raise errors.last_member("group", key, "admins")

    def delete_one(self, call: Call, key: str, options: Options) -> None:
        kept = f"uid={key},{DELETED},{call.realm.base}"
        if call.manager.get(self.dn(call, key), ["1.1"]) is None and call.me.get(kept, ["1.1"]):
            call.me.delete(kept)
            return
        if not options.get("preserve"):
            super().delete_one(call, key, options)
            return
        dn = self.dn(call, key)
        self.protect(call, key, dn)
        if call.me.get(dn, ["1.1"]) is None:
            raise self.missing(key)
        call.me.rename(dn, f"uid={key}", f"{DELETED},{call.realm.base}")
        call.manager.change(kept, [("replace", "nsAccountLock", ["TRUE"])])
        groups, _ = call.manager.search(
            call.realm.base, 2, f"(|(member={escape(dn)})(member={escape(kept)}))", ["member"]
        )
        for group in groups:
            left = [one for one in group.values["member"] if same_dn(one, dn) or same_dn(one, kept)]
            call.manager.change(group.dn, [("delete", "member", left)])

    def verb_of_delete(self, options: Options) -> str:
        return "Preserved" if options.get("preserve") else "Deleted"

    def undelete(self, call: Call, key: str, options: Options) -> dict[str, Any]:
        kept = f"uid={key},{DELETED},{call.realm.base}"
        if call.me.get(kept, ["1.1"]) is None:
            raise self.missing(key)
        call.me.rename(kept, f"uid={key}", self.base(call))
        dn = self.dn(call, key)
        call.manager.change(dn, [("replace", "nsAccountLock", ["FALSE"])])
        self.after_add(call, key, dn, options)
        return {"result": True, "value": key, "summary": f'Undeleted user account "{key}"'}

    # --- reading

    def place(self, call: Call, options: Options) -> tuple[str, int]:
        return (f"{DELETED},{call.realm.base}" if options.get("preserved") else self.base(call)), ONE

    def condition(self, call: Call) -> str:
        return "(objectClass=posixaccount)"

    def _matching(self, call: Call, options: Options) -> str:
        mine = f"(krbprincipalname={escape(call.person)}@{call.realm.name})" if options.get("whoami") else ""
        return super()._matching(call, options) + mine

    def _read_names(self, wanted: Sequence[str]) -> list[str]:
        return [*super()._read_names(wanted), "ipasshpubkey"]

    def wanted_of_find(self, options: Options) -> list[str]:
        # Found people aren't told apart by direct and nested membership.
        return [one for one in super().wanted_of_find(options) if one != "memberofindirect"]

    def finish(
        self,
        call: Call,
        found: Found,
        result: dict[str, Any],
        wanted: Sequence[str],
        options: Options,
        what: str,
    ) -> None:
        super().finish(call, found, result, wanted, options, what)
        keys = result.get("ipasshpubkey")
        if options.get("pkey_only"):
            if keys:
                result["ipasshpubkey"] = [one.encode() for one in keys]
            return
        if keys:
            if not options.get("raw"):
                result["sshpubkeyfp"] = [fingerprint(one) for one in keys]
            if "ipasshpubkey" not in wanted and "*" not in wanted:
                del result["ipasshpubkey"]
        if what != "add":
            result["nsaccountlock"] = found.first("nsaccountlock", "FALSE").upper() == "TRUE"
            if options.get("all") and not options.get("raw"):
                result["preserved"] = found.dn.lower().endswith(f"{DELETED},{call.realm.base}".lower())
        else:
            result.pop("nsaccountlock", None)
        if "manager" in result and not options.get("raw"):
            result["manager"] = [self.key_of(call, one) for one in result["manager"]]


def same_dn_syntax(value: str) -> bool:
    """Whether a reference to an entry is a DN rather than its key."""
    return "=" in value


def set_lock(call: Call, kind: Kind, key: str, dn: str, lock: bool) -> None:
    """Disable or enable an account, or tell that it's so already."""
    found = call.me.get(dn, ["nsaccountlock"])
    if found is None:
        raise kind.missing(key)
    if (found.first("nsaccountlock", "FALSE").upper() == "TRUE") == lock:
        raise errors.already_disabled() if lock else errors.already_enabled()
    call.me.change(dn, [("replace", "nsAccountLock", ["TRUE" if lock else "FALSE"])])


def has_password(call: Call, dn: str) -> bool:
    found, _ = call.me.search(dn, BASE, "(userPassword=*)", ["1.1"])
    return bool(found)


def _default_group(call: Call) -> str:
    return f"cn={_setting(call, 'ipadefaultprimarygroup')},{access.GROUPS},{call.realm.base}"


def _setting(call: Call, name: str) -> str:
    found = call.manager.get(f"cn=ipaConfig,cn=etc,{call.realm.base}", [name])
    return found.first(name) if found else ""
