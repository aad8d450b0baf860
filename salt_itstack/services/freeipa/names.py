"""Zones of the DNS and the names in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import Problem
from ...reconcile import Field, Resource, caseless, unordered
from .kinds import (
    Kind,
    flag,
    folded,
    networks,
    number,
    option,
    single,
)


def _cname_alone(name: str, wanted: Mapping[str, Any], found: Mapping[str, Any] | None) -> Iterable[Problem]:
    def there(key: str) -> bool:
        value = wanted[key] if key in wanted else DNS_RECORD.resource.fields[key].read(found or {})
        return bool(value)

    others = [key for key in DNS_RECORD.resource.fields if key not in ("cname", "ttl") and there(key)]
    if there("cname") and others:
        yield Problem(
            "", f"{name}:cname", wanted.get("cname"),
            f"a CNAME stands alone, and here is {', '.join(others)}",
            "take one of them out, or empty it with []",
        )  # fmt: skip


def _some_record(name: str, wanted: Mapping[str, Any], found: Mapping[str, Any] | None) -> Iterable[Problem]:
    types = [key for key in DNS_RECORD.resource.fields if key != "ttl"]
    if name != "@" and not any(
        wanted[key] if key in wanted else DNS_RECORD.resource.fields[key].read(found or {}) for key in types
    ):
        yield Problem(
            "", name, None, "a name is in the DNS by its records, and none would be left here",
            "declare some, or use dns_record_absent",
        )  # fmt: skip


def _administrator_as_name(
    name: str, wanted: Mapping[str, Any], found: Mapping[str, Any] | None
) -> Iterable[Problem]:
    if "@" in str(wanted.get("administrator") or ""):
        yield Problem(
            "", f"{name}:administrator", wanted["administrator"], "zones hold this as a name",
            "write hostmaster@example.org as hostmaster.example.org.",
        )  # fmt: skip


DNS_ZONE = Kind(
    name="dns_zone",
    plural="dns_zones",
    command="dnszone",
    resource=Resource(
        kind="DNS zone",
        key="idnsname",
        fields={
            "soa_nameserver": Field("idnssoamname", folded),
            "administrator": Field("idnssoarname", folded),
            "soa_refresh": Field("idnssoarefresh", number),
            "soa_retry": Field("idnssoaretry", number),
            "soa_expire": Field("idnssoaexpire", number),
            "soa_minimum": Field("idnssoaminimum", number),
            "default_ttl": Field("dnsdefaultttl", number),
            "allow_dynamic_update": Field("idnsallowdynupdate", flag),
            "update_policy": Field("idnsupdatepolicy", single),
            "allow_query": Field("idnsallowquery", networks),
            "allow_transfer": Field("idnsallowtransfer", networks),
            "forwarders": Field("idnsforwarders", unordered),
            "forward_policy": Field("idnsforwardpolicy", single),
            "sync_ptr": Field("idnsallowsyncptr", flag),
            "enabled": Field("enabled", flag),
        },
    ),
    switch="idnszoneactive",
    once={
        "skip_overlap_check": option("skip_overlap_check"),
        "skip_nameserver_check": option("skip_nameserver_check"),
    },
    identity=lambda name: name.lower().rstrip(".") + ".",
    checks=(_administrator_as_name,),
)


#: Each type that is declared is the whole truth about it; other types are left alone.
DNS_RECORD = Kind(
    name="dns_record",
    plural="dns_records",
    command="dnsrecord",
    resource=Resource(
        kind="DNS record",
        key="idnsname",
        fields={
            "a": Field("arecord", unordered),
            "aaaa": Field("aaaarecord", caseless),
            "cname": Field("cnamerecord", caseless),
            "dname": Field("dnamerecord", caseless),
            "mx": Field("mxrecord", caseless),
            "ns": Field("nsrecord", caseless),
            "ptr": Field("ptrrecord", caseless),
            "srv": Field("srvrecord", caseless),
            "sshfp": Field("sshfprecord", caseless),
            "tlsa": Field("tlsarecord", caseless),
            "txt": Field("txtrecord", unordered),
            "uri": Field("urirecord", unordered),
            "ttl": Field("dnsttl", number),
        },
    ),
    identity=str.lower,
    checks=(_cname_alone, _some_record),
)


def in_zone(zone: str) -> Kind:
    """The records of one zone, as a kind of their own."""
    return dataclasses.replace(DNS_RECORD, parent=(DNS_ZONE.identity(zone),))
