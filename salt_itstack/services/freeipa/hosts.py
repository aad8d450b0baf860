"""Hosts, their groups, and the services on them."""

from __future__ import annotations

import re

from ...reconcile import Field, Resource, caseless, unordered
from .kinds import (
    DESCRIPTION,
    MEMBER,
    Kind,
    Link,
    account_name,
    host_names,
    option,
    single,
)


def _host_name(name: str) -> str:
    if "." not in name.rstrip("."):
        return "it isn't fully qualified"
    if not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?\.?", name) or ".." in name:
        return "only letters, digits, _, - and single dots are allowed"
    return ""


def _principal(name: str) -> str:
    service, slash, host = name.partition("@")[0].partition("/")
    return "" if service and slash and "." in host else "it isn't SERVICE/FULL.HOST.NAME"


def _host_identity(name: str) -> str:
    return name.lower().rstrip(".")


def _service_identity(name: str) -> str:
    service, _, host = name.partition("@")[0].partition("/")
    return f"{service}/{host.lower()}"


HOST = Kind(
    name="host",
    plural="hosts",
    command="host",
    resource=Resource(
        kind="host",
        key="fqdn",
        fields={
            "description": DESCRIPTION,
            "locality": Field("l", single),
            "location": Field("nshostlocation", single),
            "platform": Field("nshardwareplatform", single),
            "operating_system": Field("nsosversion", single),
            "host_classes": Field("userclass", unordered),
            # The server never gives it back, and drops it when the host enrols.
            "enrolment_password": Field("userpassword", secret=True, readable=False),
        },
    ),
    # ip_address makes the A record where FreeIPA runs the DNS.
    once={"force": option("force"), "ip_address": lambda value: {"ip_address": str(value)}},
    identity=_host_identity,
    wrong=_host_name,
)


HOSTGROUP = Kind(
    name="hostgroup",
    plural="hostgroups",
    command="hostgroup",
    resource=Resource(
        kind="group of hosts",
        key="cn",
        fields={
            "description": DESCRIPTION,
            "hosts": Field("member_host", host_names),
            "hostgroups": Field("member_hostgroup", caseless),
        },
    ),
    members={"hosts": MEMBER["host"], "hostgroups": MEMBER["hostgroup"]},
    identifiers=("hosts", "hostgroups"),
    nested="hostgroups",
    builtin={"ipaservers": {}},
    identity=str.lower,
    wrong=account_name(255),
)


SERVICE = Kind(
    name="service",
    plural="services",
    command="service",
    resource=Resource(
        kind="service",
        key="krbcanonicalname",
        fields={
            "authorization_data": Field("ipakrbauthzdata", unordered),
            "managed_by": Field("managedby_host", host_names),
        },
    ),
    members={"managed_by": Link("host", "host")},
    identifiers=("managed_by",),
    once={"force": option("force"), "skip_host_check": option("skip_host_check")},
    identity=_service_identity,
    wrong=_principal,
)
