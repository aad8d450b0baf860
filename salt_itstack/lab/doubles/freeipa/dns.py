"""
DNS zones and their records, as entries below cn=dns. Nobody serves them: there's no DNS server here.
https://github.com/freeipa/freeipa/blob/master/ipaserver/plugins/dns.py
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from salt_itstack.lab.doubles.freeipa import access, errors, parameters
from salt_itstack.lab.doubles.freeipa.commands import Call, Command
from salt_itstack.lab.doubles.freeipa.kinds import Kind
from salt_itstack.lab.doubles.freeipa.parameters import Parameter, between, integer, one_of, truth, words
from salt_itstack.lab.doubles.freeipa.reading import Options
from salt_itstack.lab.doubles.freeipa.store import TREE, Found, name_in_dn, same_dn
from salt_itstack.lab.doubles.freeipa.values import DnsName

APEX = "@"
# How many labels an address has below these.
REVERSE = {"in-addr.arpa.": 4, "ip6.arpa.": 32}
Rule = Callable[[str], str | None]


def address(kind: type) -> Rule:
    def rule(value: str) -> str | None:
        try:
            kind(value)
        except ValueError:
            return "invalid IP address format"
        return None

    return rule


@dataclass(frozen=True)
class Part:
    """One word of a record's value. It's a number where it has a largest value."""

    name: str
    most: int = 0
    rule: Rule | None = None

    def check(self, value: str) -> None:
        """Raise what is wrong, under the part's own name."""
        if self.most:
            wrong = between(0, self.most)(integer(self.name, value))
        else:
            wrong = self.rule(value) if self.rule else None
        if wrong:
            raise errors.validation(self.name, wrong)


@dataclass(frozen=True)
class Type:
    """A type of records: what a value consists of, and where it's written down."""

    name: str
    document: int
    parts: tuple[Part, ...]

    @property
    def attribute(self) -> str:
        return f"{self.name}record"

    @property
    def label(self) -> str:
        return f"{self.name.upper()} record"

    def split(self, value: str) -> list[str]:
        """The parts of a value, or nothing where it hasn't as many. The last one of some may hold spaces."""
        if self.name in ("txt", "sshfp"):
            return value.split(None, len(self.parts) - 1) if len(self.parts) > 1 else [value]
        return value.split()

    def wrong(self, value: str) -> str | None:
        """What is wrong with a value's form. What is wrong with a part is raised."""
        values = self.split(value)
        if len(values) != len(self.parts):
            form = " ".join(part.name.upper() for part in self.parts)
            return f'format must be specified as "{form}"  (see RFC {self.document} for details)'
        for part, one in zip(self.parts, values, strict=True):
            part.check(one)
        return None


def numbers(most: int, *names: str) -> tuple[Part, ...]:
    return tuple(Part(name, most) for name in names)


def named(name: str) -> Part:
    return Part(name, 0, lambda value: "empty DNS label" if ".." in value else None)


TYPES = (
    Type("a", 1035, (Part("ip_address", 0, address(ipaddress.IPv4Address)),)),
    Type("aaaa", 3596, (Part("ip_address", 0, address(ipaddress.IPv6Address)),)),
    Type("cert", 4398, (*numbers(65535, "type", "key_tag"), *numbers(255, "algorithm"),
                        Part("certificate_or_crl"))),
    Type("cname", 1035, (named("hostname"),)),
    Type("dname", 2672, (named("target"),)),
    Type("ds", 4034, (*numbers(65535, "key_tag"), *numbers(255, "algorithm", "digest_type"), Part("digest"))),
    Type("kx", 2230, (*numbers(65535, "preference"), named("exchanger"))),
    Type("mx", 1035, (*numbers(65535, "preference"), named("exchanger"))),
    Type("naptr", 2915, (*numbers(65535, "order", "preference"), Part("flags"), Part("service"),
                         Part("regexp"), Part("replacement"))),
    Type("ns", 1035, (named("hostname"),)),
    Type("ptr", 1035, (named("hostname"),)),
    Type("srv", 2782, (*numbers(65535, "priority", "weight", "port"), named("target"))),
    Type("sshfp", 4255, (*numbers(255, "algorithm", "fp_type"), Part("fingerprint"))),
    Type("tlsa", 6698, (*numbers(255, "cert_usage", "selector", "matching_type"),
                        Part("cert_association_data"))),
    Type("txt", 1035, (Part("data"),)),
    Type("uri", 7553, (*numbers(65535, "priority", "weight"), Part("target"))),
)  # fmt: skip
RECORDS = tuple(one.attribute for one in TYPES)


def zone_name(value: str) -> str:
    """A zone's name as it's stored: in small letters, with a final dot."""
    return value.lower().rstrip(".") + "."


def plain_zone(value: str) -> str | None:
    return "should not be a wildcard domain name (RFC 4592 section 4)" if value.startswith("*") else None


def clients(value: str) -> str:
    """A list of networks as name servers read it."""
    return "".join(f"{one.strip()};" for one in value.split(";") if one.strip())


def mail_name(value: DnsName) -> DnsName:
    """An e-mail address in the form in which zones hold it."""
    name, at, domain = value.partition("@")
    return DnsName(f"{name.replace('.', chr(92) + '.')}.{domain}") if at else value


def number(name: str, cli: str, least: int = 0, most: int = 2**31 - 1) -> Parameter:
    return Parameter(name, cli, integer, rule=between(least, most))


class Zones(Kind):
    name, label = "dnszone", "DNS zone"
    container, rdn = access.DNS, "idnsname"
    key = Parameter("idnsname", "name", parameters.dns_name, required=True, rule=plain_zone)
    attributes = (
        *words("idnsforwarders:forwarder", many=True),
        Parameter("idnsforwardpolicy", "forward_policy", rule=one_of("only", "first", "none")),
        Parameter("idnssoamname", "name_server", parameters.dns_name),
        Parameter("idnssoarname", "admin_email", parameters.dns_name, shape=mail_name),
        number("idnssoaserial", "serial", 1, 2**32 - 1), number("idnssoarefresh", "refresh"),
        number("idnssoaretry", "retry"), number("idnssoaexpire", "expire"),
        number("idnssoaminimum", "minimum"), number("dnsttl", "ttl"),
        number("dnsdefaultttl", "default_ttl"), *words("idnsupdatepolicy:update_policy"),
        Parameter("idnsallowdynupdate", "dynamic_update", truth),
        Parameter("idnsallowquery", "allow_query", shape=clients),
        Parameter("idnsallowtransfer", "allow_transfer", shape=clients),
        Parameter("idnsallowsyncptr", "allow_sync_ptr", truth),
    )  # fmt: skip
    add_options = tuple(
        Parameter(name, kind=truth, attribute=False)
        for name in ("skip_overlap_check", "skip_nameserver_check", "force")
    )
    mod_options = add_options[2:]
    find_options = (Parameter("forward_only", kind=truth, attribute=False),)
    classes = ("top", "idnsrecord", "idnszone")
    defaults = (
        "idnsname", "idnszoneactive", "idnsforwarders", "idnsforwardpolicy", "idnssoamname", "idnssoarname",
        "idnssoaserial", "idnssoarefresh", "idnssoaretry", "idnssoaexpire", "idnssoaminimum",
        "idnsallowquery", "idnsallowtransfer", "idnsallowdynupdate", "idnsupdatepolicy", *RECORDS,
    )  # fmt: skip
    searched = ("idnsname", "idnssoamname", "idnssoarname")
    numbered = False

    def commands(self) -> list[Command]:
        made = [Command(f"{self.name}_{verb}", run, [self.key]) for verb, run in
                (("enable", self.enable), ("disable", self.disable))]  # fmt: skip
        return super().commands() + made

    def normal_key(self, call: Call, key: Any) -> str:
        return zone_name(str(key))

    def value(self, key: str) -> Any:
        return DnsName(key)

    def _said(self, verb: str, key: str) -> str | None:
        # Only this is summed up there.
        return f'Deleted DNS zone "{key}"' if verb == "Deleted" else None

    def before_add(
        self, call: Call, key: str, values: dict[str, list[Any]], options: Options
    ) -> Options | None:
        if call.me.get(self.dn(call, key), ["1.1"]):
            raise self._exists(key)
        realm = call.realm.name
        grants = "; ".join(f"grant {realm} krb5-self * {one}" for one in ("A", "AAAA", "SSHFP"))
        if key.endswith(tuple(REVERSE)):
            grants = f"grant {realm} krb5-subdomain {key} PTR"
        unchecked = options.get("skip_nameserver_check") or options.get("force")
        self._name_server(call, key, values, bool(unchecked))
        for name, value in (
            # As on a server that answers DNS queries itself.
            ("idnssoamname", f"{call.realm.host}."), ("idnssoarname", "hostmaster"),
            ("idnssoaserial", int(time.time())), ("idnssoarefresh", 3600), ("idnssoaretry", 900),
            ("idnssoaexpire", 1209600), ("idnssoaminimum", 3600), ("idnsupdatepolicy", f"{grants};"),
            ("idnsallowdynupdate", False), ("idnsallowquery", "any;"), ("idnsallowtransfer", "none;"),
            ("idnszoneactive", True),
        ):  # fmt: skip
            values.setdefault(name, [value])
        return None

    def before_mod(
        self, call: Call, key: str, current: Found, wished: dict[str, list[Any]], options: Options
    ) -> Options | None:
        if wished.get("idnssoamname") == []:
            raise errors.validation("name_server", "is required")
        self._name_server(call, key, wished, bool(options.get("force")))
        return None

    def _name_server(self, call: Call, key: str, values: dict[str, list[Any]], unchecked: bool) -> None:
        given = values.get("idnssoamname")
        if not given:
            return
        if key.endswith(tuple(REVERSE)) and not given[0].endswith("."):
            text = "Nameserver for reverse zone cannot be a relative DNS name"
            raise errors.validation("name-server", text)
        if not unchecked:
            need_name_server(key, given[0])
        label = "setting Authoritative nameserver"
        now = "It is used only for setting the SOA MNAME attribute."
        hint = "NS record(s) can be edited in zone apex - '@'. "
        call.tell("warning", "OptionSemanticChangedWarning", 13005,
                  f"Semantic of {label} was changed. {now}\n{hint}", label=label, current_behavior=now,
                  hint=hint)  # fmt: skip

    def enable(self, call: Call, key: Any, options: Options) -> dict[str, Any]:
        return self._switch(call, key, "TRUE", "Enabled")

    def disable(self, call: Call, key: Any, options: Options) -> dict[str, Any]:
        return self._switch(call, key, "FALSE", "Disabled")

    def _switch(self, call: Call, key: Any, value: str, verb: str) -> dict[str, Any]:
        key = self.normal_key(call, key)
        found = call.me.get(self.dn(call, key), ["idnszoneactive"])
        if found is None:
            raise self.missing(key)
        if found.first("idnszoneactive") != value:
            call.me.change(found.dn, [("replace", "idnsZoneActive", [value])])
        return {"result": True, "value": self.value(key), "summary": f'{verb} DNS zone "{key}"'}

    def _matching(self, call: Call, options: Options) -> str:
        options = (
            {**options, "idnsname": zone_name(options["idnsname"])} if options.get("idnsname") else options
        )
        made = super()._matching(call, options)
        if options.get("forward_only"):
            made += "".join(f"(!(idnsname=*.{name}))" for name in REVERSE)
        return made


class Records(Kind):
    """Records, one entry for each name in a zone. Commands are given the zone first, then the name."""

    name, label = "dnsrecord", "DNS resource record"
    container = access.DNS
    key = Parameter("idnsname", "name", parameters.dns_name, required=True)
    zone = Parameter("dnszoneidnsname", "dnszone", parameters.dns_name, required=True)
    attributes = (
        Parameter("dnsttl", "ttl", integer),
        *(Parameter(one.attribute, f"{one.name}_rec", many=True, rule=one.wrong) for one in TYPES),
    )
    parts = tuple(
        Parameter(f"{one.name}_part_{part.name}", f"{one.name}_{part.name}", integer if part.most else None,
                  attribute=False)
        for one in TYPES for part in one.parts
    )  # fmt: skip
    classes = ("top", "idnsrecord")
    permission_classes = ("idnsrecord",)
    defaults = ("idnsname", *RECORDS)
    searched = ("idnsname", *RECORDS)
    numbered = False

    def commands(self) -> list[Command]:
        structured, force, whole = (
            Parameter(name, kind=truth, attribute=False) for name in ("structured", "force", "del_all")
        )
        shown = (parameters.ALL, parameters.RAW, structured)
        reverse = tuple(parameters.unoffered(f"{name}_extra_create_reverse") for name in ("a", "aaaa"))
        named = [self.zone, self.key]
        rename = Parameter("rename", "rename", parameters.dns_name, attribute=False)
        return [
            Command("dnsrecord_add", self.add_records, named, (*self.attributes, *self.parts, force, *reverse,
                                                                *shown)),
            Command("dnsrecord_mod", self.mod_records, named, (*self.attributes, *self.parts, rename,
                                                                parameters.RIGHTS, *shown)),
            Command("dnsrecord_del", self.delete_records, named, (*self.attributes, whole, structured,
                                                                  parameters.RAW)),
            Command("dnsrecord_show", self.show_records, named, (parameters.RIGHTS, *shown)),
            Command("dnsrecord_find", self.find_records, [self.zone, Parameter("criteria", attribute=False)],
                    (replace(self.key, required=False), *self.attributes, parameters.SIZE_LIMIT,
                     parameters.TIME_LIMIT, parameters.KEYS_ONLY, *shown)),
        ]  # fmt: skip

    # --- commands

    def add_records(self, call: Call, zone: Any, name: Any, options: Options) -> dict[str, Any]:
        self._need_option(options, "No options to add a specific record provided.\n"
                          "Command help may be consulted for all supported record types.")  # fmt: skip
        place = self._place(call, zone, name)
        given = self._attributes(options)
        for one in TYPES:
            parts = self._given_parts(one, options)
            if not any(part is not None for part in parts):
                continue
            if one.attribute in given:
                text = f'Raw value of a DNS record was already set by "{one.name}_rec" option'
                raise errors.validation(f"{one.name}_{one.parts[0].name}", text)
            given[one.attribute] = [self._joined(one, parts)]
        self._check(place, given, force=bool(options.get("force")))
        current = call.me.get(place.dn, ["*"])
        if current is None:
            self._check_together(place, given)
            call.me.add(place.dn, {"objectclass": list(self.classes), "idnsname": [place.name], **given})
        else:
            old = current.values
            merged = {name: _united(old.get(name, []), many) if name in RECORDS else many
                      for name, many in given.items()}  # fmt: skip
            self._check_together(place, {**old, **merged})
            self._replace(call, place.dn, old, merged)
        extra = ["objectclass", *given]
        return self._answer(call, place, options, "add", extra)

    def mod_records(self, call: Call, zone: Any, name: Any, options: Options) -> dict[str, Any]:
        self._need_option(options, "No options to modify a specific record provided.", empty=True)
        place = self._place(call, zone, name)
        if options.get("rename") and place.name == APEX:
            raise errors.validation("rename", "DNS zone root record cannot be renamed")
        wished = self._attributes(options, keep_empty=True)
        current = call.me.get(place.dn, ["*"])
        for one in TYPES:
            parts = self._given_parts(one, options)
            if any(part is not None for part in parts):
                old = current.values.get(one.attribute, []) if current else []
                wished[one.attribute] = self._with_parts(one, wished.get(one.attribute), old, parts)
        self._check(place, wished)
        if current is None:
            raise self.missing(str(name))
        self._check_together(place, {**current.values, **wished})
        moved = options.get("rename")
        try:
            self._replace(call, place.dn, current.values, wished)
        except errors.RpcError as error:
            if error.code != 4202 or not moved:
                raise
        if moved:
            new = self._place(call, zone, moved)
            call.me.rename(place.dn, f"idnsname={name_in_dn(new.name)}")
            place = replace(new, shown=place.shown)
        left = call.me.get(place.dn, list(RECORDS))
        if place.name != APEX and left and not left.values:
            done = self._delete(call, place)
            return {**done, "value": done["value"][0]}
        answered = self._answer(call, place, options, "mod", list(wished))
        answered["result"].pop("dn")
        return answered

    def delete_records(self, call: Call, zone: Any, name: Any, options: Options) -> dict[str, Any]:
        place = self._place(call, zone, name)
        if options.get("del_all"):
            if place.name == APEX:
                raise errors.validation("del_all", f"Zone record '{APEX}' cannot be deleted")
            return self._delete(call, place)
        self._need_option(options, "Neither --del-all nor options to delete a specific record provided.\n"
                          "Command help may be consulted for all supported record types.")  # fmt: skip
        current = call.me.get(place.dn, list(RECORDS))
        if current is None:
            raise self.missing(str(name))
        left = {name: list(many) for name, many in current.values.items()}
        for one in TYPES:
            for value in options.get(one.attribute) or ():
                if value not in left.get(one.attribute, ()):
                    raise errors.value_not_there(one.label, value)
                left[one.attribute].remove(value)
        if place.name != APEX and not any(left.values()):
            return self._delete(call, place)
        self._replace(call, place.dn, current.values, left)
        answered = self._answer(call, place, options, "mod")
        answered["result"].pop("dn")
        return {**answered, "value": [answered["value"]]}

    def show_records(self, call: Call, zone: Any, name: Any, options: Options) -> dict[str, Any]:
        return self._answer(call, self._place(call, zone, name), options, "show")

    def find_records(self, call: Call, zone: Any, criteria: str | None, options: Options) -> dict[str, Any]:
        within = self._zone(call, zone)
        found = super().find(call, criteria, {**options, "zone": within})
        found["result"].sort(key=lambda entry: not same_dn(entry["dn"], within))
        return found

    def place(self, call: Call, options: Options) -> tuple[str, int]:
        return options["zone"], TREE

    def finish(
        self, call: Call, found: Found, result: dict[str, Any], wanted: Sequence[str], options: Options,
        what: str,
    ) -> None:  # fmt: skip
        if result.get("idnsname") and found.first("idnsname").endswith("."):
            result["idnsname"] = [DnsName(APEX)]
        if not options.get("structured"):
            return
        structured = []
        for one in TYPES:
            for value in result.pop(one.attribute, ()):
                parts = {f"{one.name}_part_{part.name}": word
                         for part, word in zip(one.parts, one.split(value), strict=False)}  # fmt: skip
                structured.append({"dnstype": one.name.upper(), "dnsdata": value, **parts})
        if structured:
            result["dnsrecords"] = structured

    # --- places

    def _zone(self, call: Call, zone: Any) -> str:
        """DN of a zone that exists."""
        zones = call.kinds["dnszone"]
        key = zones.normal_key(call, zone)
        dn = zones.dn(call, key)
        if call.me.get(dn, ["1.1"]) is None:
            raise zones.missing(key)
        return dn

    def _place(self, call: Call, zone: Any, name: Any) -> Place:
        within, of = self._zone(call, zone), zone_name(str(zone))
        relative = str(name)
        if relative.lower() == of:
            relative = APEX
        elif relative.endswith("."):
            if not relative.lower().endswith(f".{of}"):
                text = "out-of-zone data: record name must be a subdomain of the zone or a relative name"
                raise errors.validation("idnsname", text)
            relative = relative[: -len(of) - 1]
        dn = within if relative == APEX else f"idnsname={name_in_dn(relative)},{within}"
        return Place(of, relative, dn, DnsName(str(name)))

    def _answer(
        self, call: Call, place: Place, options: Options, what: str, extra: Sequence[str] = ()
    ) -> dict[str, Any]:
        wanted = [*self.defaults, *extra] + (["*"] if options.get("all") else [])
        found = self._read(call, place.dn, wanted, str(place.shown))
        result = self.answer(call, found, wanted, options, what)
        return {"result": {**result, "dn": place.dn}, "value": place.shown, "summary": None}

    # --- values

    def _need_option(self, options: Options, text: str, empty: bool = False) -> None:
        named = {one.name for one in (*self.attributes, *self.parts)}
        if {"rename", "dnsttl"} & set(options):
            return
        if not any(options[name] or empty for name in options if name in named):
            raise errors.option(text)

    def _given_parts(self, one: Type, options: Options) -> list[Any]:
        return [options.get(f"{one.name}_part_{part.name}") for part in one.parts]

    def _joined(self, one: Type, parts: Sequence[Any]) -> str:
        for part, value in zip(one.parts, parts, strict=True):
            if value is None:
                text = f"'{one.name}_{part.name}' is a required part of DNS record"
                raise errors.conversion(one.attribute, text)
        made = " ".join(map(str, parts))
        one.wrong(made)
        return made

    def _with_parts(
        self, one: Type, named: list[Any] | None, old: list[str], parts: Sequence[Any]
    ) -> list[str]:
        """The values after some parts of a named one were changed."""
        if not named:
            raise errors.required(one.attribute)
        if len(named) > 1:
            raise errors.validation(one.attribute, "DNS records can be only updated one at a time")
        if named[0] not in old:
            raise errors.value_not_there(one.label, named[0])
        there = one.split(named[0])
        new = [before if part is None else part for part, before in zip(parts, there, strict=True)]
        return _united([value for value in old if value != named[0]], [self._joined(one, new)])

    def _check(self, place: Place, given: dict[str, list[Any]], force: bool = False) -> None:
        """What a value must be like for its name and its zone."""
        if place.name.startswith("*"):
            for name in ("dname", "ds", "ns"):
                if given.get(f"{name}record"):
                    text = (
                        "owner of DNAME, DS, NS records should not be a wildcard domain name"
                        " (RFC 4592 section 4)"
                    )
                    raise errors.validation("idnsname", text)
        if given.get("dsrecord") and place.name == APEX:
            raise errors.validation("dsrecord", "DS record must not be in zone apex (RFC 4035 section 2.4)")
        if not force:
            for value in given.get("nsrecord") or ():
                need_name_server(place.zone, value)
        if given.get("ptrrecord"):
            self._check_reverse(place)

    def _check_reverse(self, place: Place) -> None:
        for name, count in REVERSE.items():
            if place.zone != name and not place.zone.endswith(f".{name}"):
                continue
            labels = place.zone.removesuffix(name).rstrip(".").split(".") if place.zone != name else []
            labels += place.name.split(".")
            # Zones for less than a whole label have such signs in their names.
            if not any(sign in label for label in labels for sign in "/-") and len(labels) != count:
                text = (
                    f"Reverse zone {name} requires exactly {count} IP address components, {len(labels)} given"
                )
                raise errors.validation("ptrrecord", text)
            return
        text = (
            "Reverse zone for PTR record should be a sub-zone of one the following fully qualified domains: "
            + ", ".join(REVERSE)
        )
        raise errors.validation("ptrrecord", text)

    def _check_together(self, place: Place, values: dict[str, list[Any]]) -> None:
        """Which records of one name exclude each other."""
        there = {name for name in RECORDS if values.get(name)}
        if "dsrecord" in there and "nsrecord" not in there:
            text = (
                "DS record requires to coexist with an NS record (RFC 4592 section 4.6, RFC 4035 section 2.4)"
            )
            raise errors.validation("dsrecord", text)
        for name, document in (("cname", "RFC 2136, section 1.1.5"), ("dname", "RFC 6672, section 2.4")):
            if len(values.get(f"{name}record") or ()) > 1:
                text = f"only one {name.upper()} record is allowed per name ({document})"
                raise errors.validation(f"{name}record", text)
        if "cnamerecord" in there and len(there) > 1:
            text = "CNAME record is not allowed to coexist with any other record (RFC 1034, section 3.6.2)"
            raise errors.validation("cnamerecord", text)
        beside = sorted(there - {"arecord", "aaaarecord", "dsrecord", "nsrecord"})
        if "nsrecord" in there and place.name != APEX and beside:
            text = (
                f"NS record is not allowed to coexist with an {beside[0].removesuffix('record').upper()}"
                " record except when located in a zone root record (RFC 2181, section 6.1)"
            )
            raise errors.validation("nsrecord", text)

    # --- writing

    def _replace(self, call: Call, dn: str, old: dict[str, list[str]], wished: dict[str, list[Any]]) -> None:
        changes = [("replace", name, many or None) for name, many in wished.items()
                   if sorted(map(str, many)) != sorted(old.get(name, []))]  # fmt: skip
        if not changes:
            raise errors.nothing_to_change()
        call.me.change(dn, changes)

    def _delete(self, call: Call, place: Place) -> dict[str, Any]:
        if call.me.get(place.dn, ["1.1"]) is None:
            raise self.missing(str(place.shown))
        call.me.delete(place.dn)
        return {"result": {"failed": []}, "value": [place.shown],
                "summary": f'Deleted record "{place.shown}"'}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where records are: their zone, their name in there, the entry, and the name as it was given."""

    zone: str
    name: str
    dn: str
    shown: DnsName


def _united(old: Sequence[str], new: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*old, *new]))


def need_name_server(zone: str, name: str) -> None:
    """Refuse a name server that no other one knows an address of."""
    full = zone if name == APEX else name if name.endswith(".") else f"{name}.{zone}"
    try:
        socket.getaddrinfo(full, None)
    except OSError:
        text = f"Nameserver '{full}' does not have a corresponding A/AAAA record"
        raise errors.not_found(text) from None
