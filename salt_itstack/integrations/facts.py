"""What anybody may know of a deployed service: names, addresses, ports, settings. No secrets."""

from __future__ import annotations

from typing import Any

from ..stack import Stack

#: The port that people and applications use, where a service speaks HTTP.
HTTP = ("https", "http")


def url(stack: Stack, service: str) -> str:
    """
    The service's public base URL, without a final slash; empty for what doesn't speak HTTP.
    """
    item = stack.services[service]
    if item.external and item.external.url:
        return item.external.url.rstrip("/")
    if behind_proxy(stack, service):
        return f"https://{stack.fqdn(service)}"
    for scheme in HTTP:
        port = item.ports.get(scheme)
        if port:
            usual = {"https": 443, "http": 80}[scheme]
            host = stack.fqdn(service)
            return f"{scheme}://{host}" if port == usual else f"{scheme}://{host}:{port}"
    return ""


def behind_proxy(stack: Stack, service: str) -> bool:
    """Whether people come to a service through the proxy: it then has the proxy's port and certificate."""
    return any(
        item.kind == "ingress" and item.target == service and stack.active(item.id)
        for item in stack.integrations.values()
    )


def facts(stack: Stack, service: str) -> dict[str, Any]:
    """
    A service as its own states, its consumers and its probes see it.

    Returns plain data: ``service``, ``name``, ``address``, ``fqdn``, ``url``, ``ports``, ``units``,
    ``settings``, ``remark``, ``mode``, ``external`` (whether it existed before us), and the stack's
    ``domain``, ``realm``, ``kerberos_realm``, ``base_dn``, ``ca_file``.
    """
    item = stack.services[service]
    return {
        "service": service,
        "name": item.name,
        "minion": stack.minion(service),
        "address": stack.address(service),
        "fqdn": stack.fqdn(service),
        "url": url(stack, service),
        "ports": dict(item.ports),
        "units": list(item.units),
        "settings": dict(item.settings),
        "remark": item.remark,
        "mode": item.mode,
        "external": item.external is not None,
        "domain": stack.domain,
        "realm": stack.realm,
        "kerberos_realm": stack.kerberos_realm,
        "base_dn": stack.base_dn,
        "ca_file": stack.ca_file,
    }
