"""The way from outside: a route of the proxy to an application, by its public name."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..errors import ItstackError, Unreachable
from ..http import Answer, Session
from ..stack import Integration, Stack
from .facts import HTTP
from .probing import Request, once_healthy

#: Seconds to connect, and for the answer.
PATIENCE = (3.0, 10.0)
#: A page of each application that anybody may see and that is the same for all who ask.
PAGES = {"nextcloud": "/status.php", "mattermost": "/api/v4/system/ping"}
REDIRECTS = (301, 302, 307, 308)
#: Seconds that browsers remember to come by https only: a year.
STRICT_TRANSPORT = 31536000


def values(stack: Stack, integration: Integration) -> dict[str, Any]:
    """Router, public name, the application's own address, and the document that the proxy is given."""
    application = stack.services[integration.target]
    proxy = stack.services[integration.source]
    scheme = next((scheme for scheme in HTTP if scheme in application.ports), "http")
    shared: dict[str, Any] = {
        **integration.settings,
        "fqdn": stack.fqdn(integration.target),
        "proxy": stack.address(integration.source),
        "http": proxy.ports.get("http", 80),
        "https": proxy.ports.get("https", 443),
        "scheme": scheme,
        "backend": stack.address(integration.target),
        "backend_port": application.ports.get(scheme, 80),
        "page": PAGES.get(integration.target, "/"),
        "certificates": proxy.settings.get("certificates", ""),
        "ca": stack.ca_file,
    }
    return {**shared, "document": document(shared)}


def document(shared: Mapping[str, Any]) -> dict[str, Any]:
    """
    What Traefik's file provider is given for one application. Pure.

    shared
        The values of the integration.
    """
    router, fqdn = str(shared["router"]), shared["fqdn"]
    balancer: dict[str, Any] = {
        "servers": [{"url": f"{shared['scheme']}://{shared['backend']}:{shared['backend_port']}"}],
        "healthCheck": {"path": shared["page"], "hostname": fqdn, "interval": "5s", "timeout": "3s"},
    }
    http: dict[str, Any] = {
        "routers": {
            router: {
                "rule": f"Host(`{fqdn}`)",
                "entryPoints": ["websecure"],
                "service": router,
                "middlewares": [router],
                "tls": {},
            }
        },
        "services": {router: {"loadBalancer": balancer}},
        "middlewares": {router: {"headers": {"stsSeconds": STRICT_TRANSPORT}}},
    }
    if shared["scheme"] == "https":
        # By its own address, with the certificate of its name.
        balancer["serversTransport"] = router
        http["serversTransports"] = {router: {"rootCAs": [shared["ca"]], "serverName": fqdn}}
    certificate = f"{shared['certificates']}/{fqdn}"
    return {
        "http": http,
        "tls": {"certificates": [{"certFile": f"{certificate}.crt", "keyFile": f"{certificate}.key"}]},
    }


def probe(request: Request) -> str:
    """
    Prove that what comes by the public name through the proxy is the application's own answer.

    The proxy is asked at its address, so that a name that leads elsewhere doesn't hide it; that is said then.
    """
    own = request.values
    fqdn = own["fqdn"]
    through = once_healthy(lambda: _page(f"https://{fqdn}:{own['https']}", own["proxy"], own, "traefik"))
    direct = _page(
        f"{own['scheme']}://{fqdn}:{own['backend_port']}", own["backend"], own, request.target["service"]
    )
    if _content(through) != _content(direct):
        raise ItstackError(
            f"the route of {fqdn} doesn't lead to {request.target['name']} at {own['backend']}",
            "traefik",
            "apply the highstate of the proxy's server",
        )
    http = Session(
        f"http://{fqdn}:{own['http']}", "traefik", timeout=PATIENCE, retries=0, address=own["proxy"]
    )
    try:
        plain = http.get(own["page"], accept=range(300, 400))
    finally:
        http.close()
    where = plain.headers.get("Location", "")
    parts = urlsplit(where)
    if plain.status not in REDIRECTS or (parts.scheme, parts.hostname) != ("https", fqdn):
        raise ItstackError(
            f"http://{fqdn} isn't redirected to https (it answers {plain.status})",
            "traefik",
            "apply the highstate of the proxy's server",
        )
    return f"{own['page']} of {fqdn} comes through the proxy as the application gives it{_elsewhere(own)}"


def drift(request: Request) -> dict[str, Any]:
    """What of the route isn't as declared any more: looked at by the proxy's own minion, cheaply."""
    from ..services.traefik import applied

    own = request.values
    directory = request.source["settings"]["directory"]
    return applied.drift(request.profile("traefik"), own["router"], own["document"], directory)


def _page(url: str, address: str, own: Mapping[str, Any], service: str) -> Answer:
    http = Session(url, service, ca=own["ca"], timeout=PATIENCE, retries=0, address=address)
    try:
        return http.get(own["page"])
    except Unreachable:
        raise
    except ItstackError as error:
        raise ItstackError(
            f"{own['page']} isn't answered as it should be ({error})",
            service,
            "see whether the route is loaded",
        ) from None
    finally:
        http.close()


def _content(answer: Answer) -> str:
    return json.dumps(answer.data, sort_keys=True) if answer.data is not None else answer.text


def _elsewhere(own: Mapping[str, Any]) -> str:
    """A remark, where people who follow the public name don't come to the proxy."""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(own["fqdn"], None, type=socket.SOCK_STREAM)}
        proxy = {entry[4][0] for entry in socket.getaddrinfo(own["proxy"], None, type=socket.SOCK_STREAM)}
    except OSError:
        return f", but {own['fqdn']} doesn't resolve here"
    return "" if found & proxy else f", but the name leads to {', '.join(sorted(map(str, found)))}"
