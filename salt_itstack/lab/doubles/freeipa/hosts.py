"""Hosts, groups of hosts, and the services that run on them."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from typing import Any

from salt_itstack.lab.doubles.freeipa import access, errors, parameters
from salt_itstack.lab.doubles.freeipa.commands import Call
from salt_itstack.lab.doubles.freeipa.kinds import Kind
from salt_itstack.lab.doubles.freeipa.parameters import Parameter, words
from salt_itstack.lab.doubles.freeipa.people import random_password
from salt_itstack.lab.doubles.freeipa.reading import Options
from salt_itstack.lab.doubles.freeipa.store import ONE, Found, escape


def switch(name: str) -> Parameter:
    return Parameter(name, kind=parameters.truth, attribute=False)


def full_name(value: str) -> str | None:
    """What is wrong with a host's name."""
    if "." not in value:
        return "invalid domain-name: not fully qualified"
    if not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?", value) or ".." in value:
        return (
            "invalid domain-name: only letters, numbers, '_', '-' are allowed."
            " DNS label may not start or end with '-'"
        )
    return None


def need_address(host: str) -> None:
    """Refuse a host that no name server knows an address of."""
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        raise errors.no_address_record(host) from None


class Hosts(Kind):
    name = label = title = "host"
    titles = "hosts"
    container, rdn = access.HOSTS, "fqdn"
    key = Parameter("fqdn", "hostname", required=True, rule=full_name)
    attributes = (
        *words("description:desc", "l:locality", "nshostlocation:location", "nshardwareplatform:platform",
               "nsosversion:os"),
        Parameter("userpassword", "password"),
        *words("userclass:class", many=True),
    )  # fmt: skip
    add_options = (switch("force"), switch("random"), parameters.unoffered("no_reverse"))
    mod_options = (switch("random"), parameters.unoffered("updatedns"))
    del_options = (parameters.unoffered("updatedns"),)
    find_options = tuple(
        Parameter(f"{prefix}_{kind}", f"{prefix}_{kind}s", many=True, attribute=False)
        for kind in ("hostgroup", "role", "hbacrule", "sudorule") for prefix in ("in", "not_in")
    )  # fmt: skip
    classes = (
        "ipaobject",
        "nshost",
        "ipahost",
        "pkiuser",
        "ipaservice",
        "ieee802device",
        "ipasshhost",
        "top",
    )
    defaults = (
        "fqdn", "description", "l", "nshostlocation", "krbcanonicalname", "krbprincipalname",
        "nshardwareplatform",
        "nsosversion", "memberof", "managedby", "memberofindirect", "userclass",
    )  # fmt: skip
    searched = (
        "fqdn",
        "description",
        "l",
        "nshostlocation",
        "krbprincipalname",
        "nshardwareplatform",
        "nsosversion",
    )
    links = {"memberof": ("hostgroup", "netgroup", "role", "hbacrule", "sudorule"), "managedby": ("host",)}
    shows_password = True
    permission_classes = ("ipahost",)

    def normal_key(self, call: Call, key: Any) -> str:
        return str(key).lower().rstrip(".")

    def before_add(
        self, call: Call, key: str, values: dict[str, list[Any]], options: Options
    ) -> Options | None:
        if not options.get("force"):
            need_address(key)
        values["cn"], values["serverhostname"] = [key], [key.partition(".")[0]]
        values["managedby"] = [self.dn(call, key)]
        shown: Options = {}
        if options.get("random"):
            shown["randompassword"] = random_password()
            values["userpassword"] = [shown["randompassword"]]
        if "userpassword" not in values:
            # With a password the host isn't a principal yet: it becomes one when it enrols.
            values["objectclass"] += ["krbprincipalaux", "krbprincipal"]
            values["krbprincipalname"] = values["krbcanonicalname"] = [f"host/{key}@{call.realm.name}"]
        return shown

    def before_mod(
        self, call: Call, key: str, current: Found, wished: dict[str, list[Any]], options: Options
    ) -> Options | None:
        if not options.get("random"):
            return None
        shown = {"randompassword": random_password()}
        wished["userpassword"] = [shown["randompassword"]]
        return shown

    def wanted(self, options: Options, extra: dict[str, Any] | None = None) -> list[str]:
        names = super().wanted(options, extra)
        return [one for one in names if options.get("all") or one not in ("cn", "serverhostname")]

    def delete_one(self, call: Call, key: str, options: Options) -> None:
        super().delete_one(call, key, options)
        realm = call.realm.name
        services, _ = call.me.search(f"{access.SERVICES},{call.realm.base}", ONE,
                                     f"(krbprincipalname=*/{escape(key)}@{escape(realm)})",
                                     ["1.1"])  # fmt: skip
        for service in services:
            call.me.delete(service.dn)

    def condition(self, call: Call) -> str:
        return "(objectClass=ipahost)"


class HostGroups(Kind):
    name = label = title = "hostgroup"
    titles = "hostgroups"
    container = access.HOST_GROUPS
    key = Parameter(
        "cn", "hostgroup_name", required=True, shape=str.lower, rule=parameters.account_name("hostgroup")
    )
    attributes = words("description:desc")
    classes = ("ipaobject", "ipahostgroup", "nestedGroup", "groupOfNames", "top")
    defaults = ("cn", "description", "member", "memberof", "memberindirect", "memberofindirect")
    links = {"member": ("host", "hostgroup"), "memberof": ("hostgroup", "netgroup", "hbacrule", "sudorule")}
    member_commands = (("member", "member", ("host", "hostgroup")),)
    answers_whole = True
    permission_classes = ("ipahostgroup",)

    def normal_key(self, call: Call, key: Any) -> str:
        return str(key).lower()

    def after_add(self, call: Call, key: str, dn: str, options: Options) -> None:
        found = call.manager.get(f"cn={key},cn=ng,cn=alt,{call.realm.base}", ["ipauniqueid"])
        if found and found.first("ipauniqueid") == "autogenerate":
            call.manager.change(found.dn, [("replace", "ipaUniqueID", [self.new_number()])])

    def condition(self, call: Call) -> str:
        return "(objectClass=ipahostgroup)"


class Services(Kind):
    name = label = title = "service"
    titles = "services"
    container, rdn = access.SERVICES, "krbprincipalname"
    key = Parameter("krbprincipalname", "canonical_principal", required=True)
    attributes = (Parameter("ipakrbauthzdata", "pac_type", many=True),)
    add_options = (switch("force"), switch("skip_host_check"))
    classes = (
        "krbprincipal", "krbprincipalaux", "krbticketpolicyaux", "ipaobject", "ipaservice", "pkiuser",
        "ipakrbprincipal", "top",
    )  # fmt: skip
    defaults = ("krbprincipalname", "krbcanonicalname", "managedby", "memberof", "ipakrbauthzdata")
    searched = ("krbprincipalname", "managedby", "ipakrbauthzdata")
    permission_classes = ("ipaservice",)
    links = {"managedby": ("host",), "memberof": ("role",)}
    member_commands = (("host", "managedBy", ("host",)),)

    def normal_key(self, call: Call, key: Any) -> str:
        name = str(key).partition("@")[0]
        service, slash, host = name.partition("/")
        if not slash or not service or not host:
            raise errors.RpcError(4006, "MalformedServicePrincipal", "Service principal is not of the form:"
                                  " service/fully-qualified host name: missing service",
                                  reason="missing service")  # fmt: skip
        return f"{service}/{host.lower()}@{call.realm.name}"

    def before_add(
        self, call: Call, key: str, values: dict[str, list[Any]], options: Options
    ) -> Options | None:
        host = key.partition("@")[0].partition("/")[2]
        dn = call.kinds["host"].dn(call, host)
        if not options.get("skip_host_check"):
            if call.me.get(dn, ["1.1"]) is None:
                raise errors.not_found(f"The host '{host}' does not exist to add a service to.")
            values["managedby"] = [dn]
            if not options.get("force"):
                need_address(host)
        values["krbcanonicalname"] = [key]
        return None

    def finish(
        self,
        call: Call,
        found: Found,
        result: dict[str, Any],
        wanted: Sequence[str],
        options: Options,
        what: str,
    ) -> None:
        if what in ("show", "mod"):
            # A key table needs Kerberos, which isn't here.
            result["has_keytab"] = False

    def condition(self, call: Call) -> str:
        return "(&(objectClass=krbprincipal)(objectClass=ipaservice))"
