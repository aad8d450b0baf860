"""Commands that are about the server itself."""

from __future__ import annotations

import fnmatch
from typing import Any

from salt_itstack.lab.doubles.freeipa import parameters
from salt_itstack.lab.doubles.freeipa.commands import API_VERSION, SERVER_VERSION, Call, Command
from salt_itstack.lab.doubles.freeipa.parameters import ALL, RAW, Parameter
from salt_itstack.lab.doubles.freeipa.reading import TRUTHS, Options

API = ".".join(map(str, API_VERSION))
CONFIGURATION = (
    "ipadefaultemaildomain", "ipamaxhostnamelength", "ipaselinuxusermaporder", "ipakrbauthzdata",
    "ipadefaultloginshell", "ipamigrationenabled", "ipaconfigstring", "ipausersearchfields",
    "ipaselinuxusermapdefault", "ipasearchrecordslimit", "ipahomesrootdir", "ipaservicekeytypesize",
    "ipasearchtimelimit", "ipamaxusernamelength", "ipagroupsearchfields", "ipapwdexpadvnotify",
    "ipadefaultprimarygroup",
)  # fmt: skip


def commands() -> list[Command]:
    """The commands of this module."""
    return [
        Command("ping", ping),
        Command("whoami", whoami),
        Command("env", environment, [Parameter("variables", many=True)],
                [Parameter("server", kind=parameters.truth), ALL]),
        Command("config_show", config_show, [], [parameters.RIGHTS, ALL, RAW]),
        Command("dns_is_enabled", dns_is_enabled),
        Command("ca_is_enabled", ca_is_enabled),
        Command("server_role_find", server_role_find, [Parameter("criteria")],
                [Parameter("server_server"), Parameter("role_servrole"), Parameter("status"),
                 parameters.TIME_LIMIT, parameters.SIZE_LIMIT,
                 Parameter("include_master", kind=parameters.truth), ALL, RAW]),
    ]  # fmt: skip


def ping(call: Call, options: Options) -> dict[str, Any]:
    return {"summary": f"IPA server version {SERVER_VERSION}. API version {API}"}


def whoami(call: Call, options: Options) -> dict[str, Any]:
    return {"object": "user", "command": "user_show/1", "arguments": [call.person]}


def environment(call: Call, variables: list[str] | None, options: Options) -> dict[str, Any]:
    realm = call.realm
    known = {
        "api_version": API, "version": SERVER_VERSION, "basedn": realm.base, "domain": realm.domain,
        "realm": realm.name, "host": realm.host, "server": realm.host, "context": "server", "in_server": True,
        "container_user": "cn=users,cn=accounts", "container_group": "cn=groups,cn=accounts",
        "container_sysaccounts": "cn=sysaccounts,cn=etc", "enable_ra": False,
        "xmlrpc_uri": f"https://{realm.host}/ipa/xml", "jsonrpc_uri": f"https://{realm.host}/ipa/json",
    }  # fmt: skip
    names = set(known)
    if variables:
        names = {name for name in known for wanted in variables if fnmatch.fnmatchcase(name, wanted)}
    summary = f"{len(names)} variables" if len(names) > 1 else None
    return {"result": {name: known[name] for name in names}, "count": len(names), "total": len(known),
            "summary": summary}  # fmt: skip


def config_show(call: Call, options: Options) -> dict[str, Any]:
    dn = f"cn=ipaConfig,cn=etc,{call.realm.base}"
    found = call.me.get(dn, list(CONFIGURATION))
    values: dict[str, Any] = dict(found.values) if found else {}
    for name in TRUTHS & set(values):
        values[name] = [one == "TRUE" for one in values[name]]
    return {"result": {**values, "dn": dn}, "value": None, "summary": None}


def dns_is_enabled(call: Call, options: Options) -> dict[str, Any]:
    # Whether one of the servers answers DNS queries; zones can be kept all the same.
    return {"result": False, "value": None, "summary": None}


def ca_is_enabled(call: Call, options: Options) -> dict[str, Any]:
    return {"result": False, "value": None, "summary": None}


def server_role_find(call: Call, criteria: str | None, options: Options) -> dict[str, Any]:
    return {"result": [], "count": 0, "truncated": False, "summary": "0 server roles matched"}
