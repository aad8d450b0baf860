"""The stack as objects: what is in the map, and what follows from it. Pure: built from checked data."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from ..errors import Missing

PHASES = ("0", "1a", "1b", "1c", "2a", "2b", "2c", "3a", "3b", "3c", "4a", "4b", "4c")
LAYERS = (
    "identity",
    "database",
    "collaboration",
    "communications",
    "business",
    "it-management",
    "infrastructure",
)
MODES = ("observe", "manage", "enforce")
"""From the least to the most that may be done: no write, a person applies, schedule and reactor act."""

WORKS, DRIFTED, BROKEN, UNPROVED = "works", "drifted", "broken", "unproved"
NOT_DEPLOYED, NOT_APPLICABLE = "not deployed", "not applicable"
STATUSES = (WORKS, DRIFTED, BROKEN, UNPROVED, NOT_DEPLOYED, NOT_APPLICABLE)

SOURCE, TARGET = "source", "target"

ACCESSES = ("secret", "profile")
"""How the speaker of an external service gets in: as the map says, or as its own configuration does."""

PURPOSES = ("administration", "installation", "probes", "external")
"""
What a service's own secret is for. One for the installation isn't needed where the service runs already, one
for external services only there, and one for probes isn't read by a service that is only looked at.
"""

LENGTHS = {"password": 32, "client-secret": 40, "token": 48}
"""The kinds of secrets that the master makes, and how many characters each has if the map doesn't say."""
GIVEN = "given"
"""The kind that nobody here can choose: somebody else made it, and hands it to us."""
LENGTH = "a length from 16 to 256"
ALPHABET = "at least ten different printable ASCII characters without a space"


def is_length(value: Any) -> bool:
    """Whether a secret may have that many characters: with ten letters to draw from, 16 are 53 bits."""
    return isinstance(value, int) and not isinstance(value, bool) and 16 <= value <= 256


def is_alphabet(value: Any) -> bool:
    """Whether a secret may be drawn from these characters: the same bytes wherever it is written."""
    return (
        isinstance(value, str)
        and value.isascii()
        and value.isprintable()
        and " " not in value
        and len(set(value)) >= 10
    )


@dataclass(frozen=True)
class Server:
    """One machine of the fleet."""

    name: str
    address: str
    minion: str
    fqdn: str


@dataclass(frozen=True)
class External:
    """Where a service lives that exists already, and the minion that speaks for it."""

    address: str
    speaker: str
    url: str | None = None
    access: str = ACCESSES[0]

    @property
    def host(self) -> str:
        """The name (or, failing that, the address) under which it is reached."""
        return (urlsplit(self.url).hostname if self.url else None) or self.address


@dataclass(frozen=True)
class Secret:
    """
    A secret of the map: how it is made, and who may read it.

    ``services`` are the ids of the services whose minions read it, ``producer`` the one whose server makes
    it (None: chosen by the master).
    """

    id: str
    kind: str
    services: tuple[str, ...]
    length: int | None = None
    alphabet: str | None = None
    producer: str | None = None
    purpose: str = PURPOSES[0]


@dataclass(frozen=True)
class Service:
    """One of the services, wherever it runs."""

    id: str
    name: str
    layer: str
    phase: str
    server: str | None = None
    public_name: str | None = None
    ports: Mapping[str, int] = field(default_factory=dict)
    units: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    enabled: bool = True
    supported: bool = False
    mode: str = "manage"
    external: External | None = None
    remark: str | None = None
    companions: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)

    @property
    def only_looked_at(self) -> bool:
        """Whether it existed before us, and nothing is written to it."""
        return self.external is not None and self.mode == MODES[0]

    @property
    def entered(self) -> bool:
        """Whether its minion gets in with the access that the map describes."""
        return not self.external or (not self.only_looked_at and self.external.access == ACCESSES[0])

    def needed(self, secret: Secret) -> Secret | None:
        """One of its own secrets with the services that have to read it; None where it isn't needed."""
        if secret.purpose == "probes":
            rest = tuple(one for one in secret.services if one != self.id or not self.only_looked_at)
            return replace(secret, services=rest)
        if not self.external:
            return secret if secret.purpose != "external" else None
        return secret if self.entered and secret.purpose != "installation" else None


@dataclass(frozen=True)
class Integration:
    """
    One arrow between two services.

    ``orchestration`` names the trigger that is our own orchestration's: it is pulled whether or not the
    source is there.
    """

    id: str
    number: int
    kind: str
    source: str
    target: str
    title: str = ""
    protocol: str = ""
    direction: str = "push"
    trigger: str = ""
    owner: str = SOURCE
    needs: tuple[str, ...] = ()
    waits: str | None = None
    mode: str = "manage"
    probe: str = "read"
    settings: Mapping[str, Any] = field(default_factory=dict)
    secret: Secret | None = None
    realised_via: str | None = None
    engine: str | None = None
    not_applicable: Mapping[str, Any] | None = None
    enabled: bool = True
    supported: bool = False
    orchestration: str | None = None

    @property
    def consumer(self) -> str | None:
        """The service that is started only when the other end is ready, or None."""
        return getattr(self, self.waits) if self.waits else None

    @property
    def provider(self) -> str | None:
        """The end that the consumer waits for, or None."""
        if not self.waits:
            return None
        return self.target if self.waits == SOURCE else self.source


@dataclass(frozen=True)
class End:
    """One end of an integration, as the minion sees it that configures it."""

    integration: Integration
    side: str
    service: Service

    @property
    def other(self) -> str:
        """The id of the service at the other end."""
        return self.integration.target if self.side == SOURCE else self.integration.source


@dataclass(frozen=True)
class Stack:
    """
    The whole map. Services stand in the order of their phases, integrations in that of their numbers.

    Nothing in it changes, so what follows from it is found once: a master compiles a pillar for each of its
    minions from the same object.
    """

    domain: str
    realm: str
    kerberos_realm: str
    base_dn: str
    ca_file: str
    servers: Mapping[str, Server]
    services: Mapping[str, Service]
    integrations: Mapping[str, Integration]
    sandbox: Mapping[str, Any] = field(default_factory=dict)
    periods: Mapping[str, Any] = field(default_factory=dict)
    repairs: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        verdicts = {item.id: self._verdict(item) for item in self.integrations.values()}
        object.__setattr__(self, "_verdicts", verdicts)

    # Phases

    @property
    def phases(self) -> list[str]:
        """The phases in their order."""
        return list(PHASES)

    # Services

    def service(self, service_id: str) -> Service:
        """The service with this id. Raises :class:`Missing`."""
        return _pick(self.services, service_id, "service")

    def server_of(self, service_id: str) -> Server | None:
        """The server that a service is placed on; None for an external one."""
        service = self.service(service_id)
        if service.external or service.server is None:
            return None
        return self.servers.get(service.server)

    def minion(self, service_id: str) -> str:
        """The minion that configures a service: its server's, or the speaker of an external one."""
        service = self.service(service_id)
        if service.external:
            return service.external.speaker
        server = self.server_of(service_id)
        return server.minion if server else ""

    def fqdn(self, service_id: str) -> str:
        """The name that others use: its public name, else its server's name."""
        service = self.service(service_id)
        if service.external and not _is_address(service.external.host):
            return service.external.host
        if service.public_name:
            return f"{service.public_name}.{self.domain}"
        server = self.server_of(service_id)
        if server:
            return server.fqdn
        return service.external.host if service.external else ""

    def address(self, service_id: str) -> str:
        """The address of its server, or of the external service."""
        service = self.service(service_id)
        if service.external:
            return service.external.address
        server = self.server_of(service_id)
        return server.address if server else ""

    def needs(self, service_id: str) -> tuple[str, ...]:
        """
        What must be ready before a service starts: its own needs, and the other ends of the integrations
        that it waits for. An external one runs already: only the latter come before it is written to.
        """
        service = self.service(service_id)
        own = () if service.external else service.needs
        return tuple(dict.fromkeys((*own, *self._waited_for.get(service_id, ()))))

    @cached_property
    def _waited_for(self) -> dict[str, list[str]]:
        """The other ends that services wait for, by service."""
        found: dict[str, list[str]] = {}
        for item in self.integrations.values():
            if self._obstacle(item)[0]:
                continue
            if item.consumer and item.provider:
                found.setdefault(item.consumer, []).append(item.provider)
            # What only a server can make, its readers wait for.
            if item.secret and item.secret.producer and self.active(item.id):
                for reader in item.secret.services:
                    if reader != item.secret.producer:
                        found.setdefault(reader, []).append(item.secret.producer)
        return found

    def deployable(self) -> list[str]:
        """The services that a deploy has a step for: those it starts, and external ones it may write to."""
        return [
            item.id
            for item in self.services.values()
            if item.enabled and item.supported and not item.only_looked_at
        ]

    def present(self) -> list[str]:
        """The services that integrations can rely on: deployable ones and external ones."""
        return list(self._present)

    @cached_property
    def _present(self) -> dict[str, None]:
        return {
            item.id: None
            for item in self.services.values()
            if item.enabled and (item.supported or item.external)
        }

    def why_absent(self, service_id: str) -> str:
        """Why a service is not present, or an empty text."""
        service = self.service(service_id)
        if not service.enabled:
            # The remark is the place where whoever switched it off can say why.
            why = f" ({service.remark})" if service.remark else ""
            return f"{service_id} is switched off in the map{why}"
        if not service.supported and not service.external:
            return f"{service_id} can't be deployed by this version"
        return ""

    # Minions

    def minions(self) -> list[str]:
        """Every minion of the map: one per server, and the speakers of external services."""
        found = dict.fromkeys(server.minion for server in self.servers.values())
        for service in self.services.values():
            if service.enabled and service.external:
                found.setdefault(service.external.speaker)
        return list(found)

    def services_on(self, minion: str) -> list[str]:
        """The services that a deploy has a step for on this minion."""
        return list(self._services_by_minion.get(minion, ()))

    @cached_property
    def _services_by_minion(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for service_id in self.deployable():
            found.setdefault(self.minion(service_id), []).append(service_id)
        return found

    def ends_on(self, minion: str) -> list[End]:
        """The ends of active integrations that this minion configures."""
        return list(self._ends_by_minion.get(minion, ()))

    @cached_property
    def _ends_by_minion(self) -> dict[str, list[End]]:
        found: dict[str, list[End]] = {}
        for end in self.ends():
            found.setdefault(self.end_minion(end.integration.id, end.side), []).append(end)
        return found

    def end_minion(self, integration_id: str, side: str) -> str:
        """
        The minion at one end. For a source that isn't there, and whose part our orchestration plays, it is
        the one of its server, or the target's where it has none.
        """
        item = self.integration(integration_id)
        end: str = getattr(item, side)
        if side == SOURCE and self.partial(integration_id):
            there = self.services[end].enabled and self.server_of(end)
            return self.minion(end if there else item.target)
        return self.minion(end)

    def partial(self, integration_id: str) -> str:
        """
        What of an active integration is there, and why not the rest; an empty text where all of it is.
        """
        item = self.integration(integration_id)
        why = self.why_absent(item.source) if item.orchestration else ""
        return f"only the trigger {item.orchestration}: {why}" if why and self.active(item.id) else ""

    def ends(self) -> list[End]:
        """Both ends of all active integrations."""
        return [
            End(item, side, self.services[getattr(item, side)])
            for item in self.integrations.values()
            if self.active(item.id)
            for side in (SOURCE, TARGET)
        ]

    # Integrations

    def integration(self, integration_id: str) -> Integration:
        """The integration with this id. Raises :class:`Missing`."""
        return _pick(self.integrations, integration_id, "integration")

    def active(self, integration_id: str) -> bool:
        """Whether an integration is to be configured and proved."""
        return not self.why_inactive(integration_id)[0]

    def why_inactive(self, integration_id: str) -> tuple[str, str]:
        """``not deployed`` or ``not applicable`` and the reason; two empty texts when it is active."""
        self.integration(integration_id)
        return self._verdicts[integration_id]  # type: ignore[attr-defined]

    def mode(self, integration_id: str, side: str) -> str:
        """What may be done at one end: the less of what the integration and its service allow."""
        item = self.integration(integration_id)
        service = self.services[getattr(item, side)]
        return min(item.mode, service.mode, key=MODES.index)

    def _verdict(self, item: Integration) -> tuple[str, str]:
        obstacle = self._obstacle(item)
        if obstacle[0] or item.supported:
            return obstacle
        return NOT_DEPLOYED, "this version can't configure it"

    def _obstacle(self, item: Integration) -> tuple[str, str]:
        """What in the map keeps an integration from being active, whatever this version can do."""
        if not item.enabled:
            return NOT_DEPLOYED, "switched off in the map"
        if item.not_applicable and self._applies(item.not_applicable):
            return NOT_APPLICABLE, item.not_applicable["reason"]
        ends = (item.target,) if item.orchestration else (item.source, item.target)
        absent = [self.why_absent(end) for end in (*ends, *item.needs)]
        reasons = [reason for reason in dict.fromkeys(absent) if reason]
        if reasons:
            return NOT_DEPLOYED, "; ".join(reasons)
        return "", ""

    def _applies(self, condition: Mapping[str, Any]) -> bool:
        """Whether the reason holds: always, `when` a setting has a value, or `unless` it has."""
        for word, holds in (("when", True), ("unless", False)):
            if word in condition:
                test = condition[word]
                service = self.services.get(test["service"])
                on = service is not None and service.enabled
                value = service.settings.get(test["setting"]) if service is not None and on else None
                return (on and value in test["is"]) is holds
        return True

    # Secrets

    def secrets(self) -> dict[str, Secret]:
        """The secrets that what is present and active needs, by id."""
        return dict(self._secrets)

    @cached_property
    def _secrets(self) -> dict[str, Secret]:
        found: dict[str, Secret] = {}
        for service_id in self._present:
            service = self.services[service_id]
            own = [service.needed(secret) for secret in service.secrets.values()]
            found.update({secret.id: secret for secret in own if secret})
        for item in self.integrations.values():
            if item.secret and self.active(item.id):
                # At its target the secret is used by the proof as well, at its source only by what writes it.
                rest = [
                    one
                    for one in item.secret.services
                    if one == item.target or not self.services[one].only_looked_at
                ]
                found[item.secret.id] = replace(item.secret, services=tuple(rest))
        return found

    def readers(self, secret_id: str) -> frozenset[str]:
        """The minions that may read a secret; none when nothing needs it."""
        return self._readers.get(secret_id, frozenset())

    @cached_property
    def _readers(self) -> dict[str, frozenset[str]]:
        found = {secret.id: self._minions_of(secret.services) for secret in self._secrets.values()}
        for item in self.integrations.values():
            # Where our orchestration plays the source's part, its server's minion does, though it has no
            # service.
            secret = item.secret
            if secret and secret.id in found and item.source in secret.services and self.partial(item.id):
                found[secret.id] |= {self.end_minion(item.id, SOURCE)}
        return found

    def secrets_for(self, minion: str) -> list[str]:
        """The ids of the secrets that a minion may read."""
        return list(self._secrets_by_minion.get(minion, ()))

    @cached_property
    def _secrets_by_minion(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for secret_id, minions in self._readers.items():
            for minion in minions:
                found.setdefault(minion, []).append(secret_id)
        return found

    def made_on(self, minion: str) -> list[str]:
        """The ids of the secrets that only a server of this minion can make."""
        return [secret_id for secret_id, producer in self._producers.items() if producer == minion]

    def producer(self, secret_id: str) -> str:
        """The minion whose server makes a secret, or an empty text when the master chooses it."""
        return self._producers.get(secret_id, "")

    @cached_property
    def _producers(self) -> dict[str, str]:
        return {
            secret.id: self.minion(secret.producer) for secret in self._secrets.values() if secret.producer
        }

    def _minions_of(self, services: Iterable[str]) -> frozenset[str]:
        return frozenset(self.minion(service_id) for service_id in services if service_id in self._present)


def _pick(table: Mapping[str, Any], key: str, what: str) -> Any:
    if key not in table:
        raise Missing(f"no {what} {key!r} in the map", remedy=f"one of: {', '.join(table)}")
    return table[key]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
