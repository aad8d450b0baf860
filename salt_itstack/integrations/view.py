"""
What one minion gets to know of the map: its services, its ends, and which secrets it may open.

Pure: the same map gives the same view. The secrets themselves are sealed by the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..stack import MODES, Integration, Stack
from . import values
from .facts import facts
from .oidc import groups_of

#: The mode in which something may be repaired without a person.
ENFORCE = MODES[-1]


def view(stack: Stack, minion: str, held: Callable[[str], str] = lambda identifier: "") -> dict[str, Any]:
    """
    Pillar of one minion, as plain data; empty for a minion that the map doesn't know.

    held
        Why a service or an integration is to be left alone for now, by its id; an empty text if it isn't.

    ``services`` are those placed on it, and external ones that it may write to, with what each of them needs;
    ``integrations`` those with an end on it, of which it proves the ones marked ``proved_here``; ``profiles``
    the administrative access to its own services; ``modes`` say what may be written, ``held`` what may not be
    for now, ``produces`` which secrets only this minion's servers can make.
    """
    if minion not in stack.minions():
        return {}
    services = {}
    for service in stack.services_on(minion):
        own = facts(stack, service)
        own["needs"] = list(stack.needs(service))
        own["held"] = held(service)
        if service == "freeipa":
            own["groups"] = _groups(stack)
        services[service] = own
    integrations: dict[str, Any] = {}
    peers: dict[str, Any] = {}
    for end in stack.ends_on(minion):
        item = end.integration
        entry = integrations.setdefault(
            item.id,
            {
                "kind": item.kind,
                "source": item.source,
                "target": item.target,
                "probe": item.probe,
                "proved_here": stack.minion(item.target) == minion,
                "partial": stack.partial(item.id),
                "modes": {},
                "held": {},
                "values": _readable(stack, item, minion),
            },
        )
        entry["modes"][end.side] = stack.mode(item.id, end.side)
        entry["held"][end.side] = held(item.id) or held(end.service.id)
        peers.setdefault(item.source, facts(stack, item.source))
        peers.setdefault(item.target, facts(stack, item.target))
    for own in services.values():
        for need in own["needs"]:
            peers.setdefault(need, facts(stack, need))
    profiles = {
        service: profile(stack, service)
        for service in stack.present()
        if stack.minion(service) == minion and service in PROFILES and stack.services[service].entered
    }
    person = stack.sandbox.get("person")
    return {
        "domain": stack.domain,
        "realm": stack.realm,
        "services": services,
        "peers": peers,
        "integrations": integrations,
        "profiles": profiles,
        "sandbox": {
            **({"person": person, "group": stack.sandbox.get("group")} if person else {}),
            **({"channel": stack.sandbox["channel"]} if stack.sandbox.get("channel") else {}),
        },
        "produces": stack.made_on(minion),
    }


def _readable(stack: Stack, item: Integration, minion: str) -> dict[str, Any]:
    """What both ends share, without the reference to a secret that this end has nothing to do with."""
    shared = values(stack, item.id)
    if item.secret and minion not in stack.readers(item.secret.id):
        reference = f"secret://{item.secret.id}"
        shared = {key: value for key, value in shared.items() if value != reference}
    return shared


def schedule(stack: Stack, minion: str) -> dict[str, Any]:
    """
    The minion's entry of Salt's own scheduler that keeps it as the map says; empty where nothing of it is in
    mode ``enforce``.
    """
    period = stack.periods.get("enforce")
    enforced = [service for service in stack.services_on(minion) if stack.services[service].mode == ENFORCE]
    if not period or not enforced:
        return {}
    return {
        "itstack_enforce": {
            "function": "itstack.enforce",
            "seconds": period,
            "splay": min(stack.periods["splay"], period),
            "maxrunning": 1,
        }
    }


def watch(stack: Stack, minion: str) -> dict[str, Any]:
    """
    The minion's entry of Salt's own beacons that looks after it; empty where nothing of it is in mode
    ``enforce``.
    """
    modes = [stack.services[service].mode for service in stack.services_on(minion)]
    modes += [stack.mode(end.integration.id, end.side) for end in stack.ends_on(minion)]
    period = stack.periods.get("beacon")
    return {"itstack": [{"interval": period}]} if period and ENFORCE in modes else {}


def _groups(stack: Stack) -> list[str]:
    """The directory's groups that active integrations rely on."""
    wanted = {
        group
        for item in stack.integrations.values()
        if stack.active(item.id) and item.kind in ("oidc", "saml")
        for group in groups_of(item)
    }
    sandbox = stack.sandbox.get("group")
    return sorted(wanted | ({sandbox} if sandbox else set()))


def profile(stack: Stack, service: str) -> dict[str, Any]:
    """How the states on a service's own minion get in, or on its speaker; secrets are references."""
    own = facts(stack, service)
    places = {**own, **own["settings"], **own["ports"]}
    table = {**PROFILES, **REMOTE_PROFILES} if own["external"] else PROFILES
    return {
        key: value.format(**places) if isinstance(value, str) else places[value[0]] if value else value
        for key, value in table[service].items()
    }


#: A text is filled in from the service's facts, a tuple names the fact to take as it is.
PROFILES: dict[str, dict[str, Any]] = {
    "freeipa": {"host": "{fqdn}", "user": "admin", "password": "secret://freeipa-admin", "ca": "{ca_file}"},
    "keycloak": {
        "url": "{url}",
        "client_id": "salt-itstack",
        "client_secret": "secret://keycloak-admin",
        "ca": "{ca_file}",
    },
    "postgresql": {
        "host": "/var/run/postgresql",
        "port": ("postgresql",),
        "user": "postgres",
        "database": "postgres",
        "os_user": "postgres",
    },
    "redis": {
        "host": "{address}",
        "port": ("redis",),
        "user": "salt-itstack",
        "password": "secret://redis-admin",
    },
    "traefik": {"url": "http://{api_address}:{dashboard}"},
    "nextcloud": {
        "occ_command": "{occ_command}",
        "web_user": "{web_user}",
        "url": "{url}",
        "ca": "{ca_file}",
    },
    "mattermost": {
        "url": "http://{address}:{http}",
        "user": "{admin_user}",
        "password": "secret://mattermost-admin",
        "socket": "{local_socket}",
        "team": "{team}",
    },
}

#: The same for external services, where that is another way in.
REMOTE_PROFILES: dict[str, dict[str, Any]] = {
    "postgresql": {
        "host": "{address}",
        "port": ("postgresql",),
        "user": "postgres",
        "database": "postgres",
        "password": "secret://postgresql-admin",
    },
    "mattermost": {
        "url": "{url}",
        "user": "{admin_user}",
        "password": "secret://mattermost-admin",
        "team": "{team}",
        "ca": "{ca_file}",
    },
}
