"""How entries of a kind are named, read and answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from salt_itstack.lab.doubles.freeipa import errors
from salt_itstack.lab.doubles.freeipa.commands import Call
from salt_itstack.lab.doubles.freeipa.parameters import Parameter
from salt_itstack.lab.doubles.freeipa.store import BASE, ONE, TREE, Found, escape, key_of, name_in_dn
from salt_itstack.lab.doubles.freeipa.values import DnsName, Moment

Options = dict[str, Any]
TRUTHS = {
    "ipaenabledflag",
    "idnszoneactive",
    "idnsallowdynupdate",
    "ipamigrationenabled",
    "idnsallowsyncptr",
    "ipapwddictcheck",
    "ipapwdusercheck",
}
MOMENTS = {"krbpasswordexpiration", "krbprincipalexpiration", "krblastpwdchange"}
DNS_NAMES = {"idnsname", "idnssoamname", "idnssoarname"}
HIDDEN = {"aci", "userpassword", "krbprincipalkey"}
INDIRECT = ("memberindirect", "memberofindirect")


class Readable:
    """
    A kind of entry.

    name
        Prefix of its commands.
    label, title, titles
        What errors call one, and what summaries call one and several.
    container, rdn
        Where its entries lie, and the attribute that names them there.
    defaults, found
        Attributes that show and find answer by default.
    searched
        Attributes that find's text is looked for in.
    links
        For each attribute that holds DNs, the kinds of entries that it may name.
    member_commands
        Suffix of a command pair, the attribute it writes, and the kinds it takes.
    reverse_commands
        Suffix of a command pair, and the kind of entries that this one becomes a member of.
    answers_whole
        Whether an added entry is answered with all its attributes.
    by_number
        Whether entries are named by ipaUniqueID in the tree, and found by their cn.
    permission_classes
        Classes that a permission about this type of entries filters by; none where there's no such type.
    """

    name = label = title = titles = container = ""
    rdn = "cn"
    key = Parameter("cn", required=True)
    attributes: tuple[Parameter, ...] = ()
    add_options: tuple[Parameter, ...] = ()
    mod_options: tuple[Parameter, ...] = ()
    del_options: tuple[Parameter, ...] = ()
    find_options: tuple[Parameter, ...] = ()
    classes: tuple[str, ...] = ()
    defaults: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    searched: tuple[str, ...] = ("cn", "description")
    links: dict[str, tuple[str, ...]] = {}
    member_commands: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    reverse_commands: tuple[tuple[str, str], ...] = ()
    answers_whole = False
    by_number = False
    numbered = True
    shows_password = False
    key_limit: Any = None
    permission_classes: tuple[str, ...] = ()

    # --- names

    def base(self, call: Call) -> str:
        return f"{self.container},{call.realm.base}"

    def dn(self, call: Call, key: str) -> str:
        """DN of the entry with this key, which for most kinds needn't exist."""
        if self.by_number:
            dn = self._numbered_dn(call, key)
            if not dn:
                raise self.missing(key)
            return dn
        return f"{self.rdn}={name_in_dn(key)},{self.base(call)}"

    def _numbered_dn(self, call: Call, key: str) -> str:
        found, _ = call.me.search(self.base(call), ONE, f"({self.key.name}={escape(key)})", ["1.1"])
        return found[0].dn if found else ""

    def key_of(self, call: Call, dn: str) -> str:
        """The key of an entry that's named by its DN."""
        if self.by_number:
            found = call.manager.get(dn, [self.key.name])
            return found.first(self.key.name.lower()) if found else key_of(dn)
        return key_of(dn)

    def missing(self, key: str) -> errors.RpcError:
        return errors.not_found(f"{key}: {self.label} not found")

    # --- reading

    def wanted(self, options: Options, extra: dict[str, Any] | None = None) -> list[str]:
        names = [*self.defaults, *(name.lower() for name in extra or {})]
        if options.get("no_members"):
            names = [one for one in names if not self._is_link(one)]
        whole = self.answers_whole and "objectclass" in (extra or {}) and self.key.name in (extra or {})
        return ["*", *names] if options.get("all") or whole else names

    def wanted_of_find(self, options: Options) -> list[str]:
        if options.get("pkey_only"):
            return [self.key.name]
        names = [*(self.found or self.defaults)]
        if options.get("all"):
            names = ["*", *self.defaults]
        if options.get("no_members", True):
            names = [one for one in names if not self._is_link(one)]
        return names

    def _is_link(self, name: str) -> bool:
        return name in self.links or name in INDIRECT

    def _read_names(self, wanted: Sequence[str]) -> list[str]:
        names = {one for one in wanted if one not in INDIRECT}
        if "memberindirect" in wanted:
            names.add("member")
        return sorted(names)

    def _read(self, call: Call, dn: str, wanted: Sequence[str], key: str) -> Found:
        found = call.me.get(dn, self._read_names(wanted))
        if found is None:
            raise self.missing(key)
        return found

    def answer(
        self, call: Call, found: Found, wanted: Sequence[str], options: Options, what: str
    ) -> dict[str, Any]:
        """An entry as commands answer it, without its DN."""
        values = {name: list(many) for name, many in found.values.items() if name not in HIDDEN}
        raw = bool(options.get("raw"))
        if not raw:
            self._split_indirect(call, found.dn, values, wanted)
        result: dict[str, Any] = {}
        for name, many in values.items():
            kinds = self.links.get("member" if name == "memberindirect" else name.replace("indirect", ""))
            if kinds and not raw:
                for kind, keys in self._by_kind(call, many, kinds).items():
                    result[f"{name}_{kind}"] = keys
            elif raw and name not in wanted:
                result[found.names[name]] = self.convert(name, many, raw)
            else:
                result[name] = self.convert(name, many, raw)
        self.finish(call, found, result, wanted, options, what)
        if raw:
            result = {name: _raw(value) for name, value in result.items()}
        return result

    def convert(self, name: str, many: list[str], raw: bool) -> list[Any]:
        if name in TRUTHS:
            return [one.upper() == "TRUE" for one in many]
        if name in MOMENTS:
            return [Moment(one) for one in many]
        if name in DNS_NAMES:
            return [DnsName(one) for one in many]
        return many

    def _split_indirect(
        self, call: Call, dn: str, values: dict[str, list[str]], wanted: Sequence[str]
    ) -> None:
        base = call.realm.base
        if "memberofindirect" in wanted and values.get("memberof"):
            conditions = "".join(f"({name}={escape(dn)})" for name in ("member", "memberuser", "memberhost"))
            direct, _ = call.me.search(base, TREE, f"(|{conditions})", ["1.1"])
            known = {one.dn.lower() for one in direct}
            everything = values.pop("memberof")
            values["memberof"] = [one for one in everything if one.lower() in known]
            values["memberofindirect"] = [one for one in everything if one.lower() not in known]
        if "memberindirect" in wanted:
            # The members of whatever belongs to this group, except the direct ones: with a cycle that's
            # the group itself, too.
            inner, _ = call.me.search(base, TREE, f"(&(memberof={escape(dn)})(member=*))", ["member"])
            direct_members = {one.lower() for one in values.get("member", [])}
            below = {one.lower(): one for entry in inner for one in entry.values.get("member", [])}
            values["memberindirect"] = [one for low, one in below.items() if low not in direct_members]

    def _by_kind(self, call: Call, many: Sequence[str], kinds: Sequence[str]) -> dict[str, list[str]]:
        made: dict[str, list[str]] = {}
        for dn in many:
            for kind in kinds:
                other = call.kinds.get(kind)
                if other and dn.lower().endswith("," + other.base(call).lower()):
                    made.setdefault(kind, []).append(other.key_of(call, dn))
                    break
        return made

    def finish(
        self,
        call: Call,
        found: Found,
        result: dict[str, Any],
        wanted: Sequence[str],
        options: Options,
        what: str,
    ) -> None:
        """Complete an answered entry. ``what`` is the verb of the command that answers it."""
        if self.shows_password and what != "find":
            condition = "(|(userPassword=*)(krbPrincipalKey=*))"
            shown, _ = call.me.search(found.dn, BASE, condition, ["1.1"])
            result["has_password"] = bool(shown)
            # A key table needs Kerberos, which isn't here.
            result["has_keytab"] = False


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def stored(value: Any) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return value.decode() if isinstance(value, bytes) else str(value)


def _raw(value: Any) -> Any:
    """Without conversion an answer holds what LDAP holds: lists of text."""
    if isinstance(value, bool):
        return ["TRUE" if value else "FALSE"]
    return [stored(one) for one in value] if isinstance(value, list) else value
