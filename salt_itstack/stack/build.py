"""From a checked document to the objects of the model. Each call makes its own copies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .model import PHASES, PURPOSES, SOURCE, TARGET, External, Integration, Secret, Server, Service, Stack

_BOTH = [SOURCE, TARGET]


def copied(value: Any) -> Any:
    """A copy that shares no mapping and no list with the original."""
    if isinstance(value, Mapping):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [copied(item) for item in value]
    return value


def build(document: Mapping[str, Any], warnings: list[str]) -> Stack:
    """The stack that a checked document describes."""
    domain = document["domain"].lower()
    services = [_service(key, entry, document["mode"]) for key, entry in document["services"].items()]
    services.sort(key=lambda service: PHASES.index(service.phase))
    integrations = [
        _integration(key, entry, document["mode"]) for key, entry in document["integrations"].items()
    ]
    integrations.sort(key=lambda item: item.number)
    return Stack(
        domain=domain,
        realm=document["realm"],
        kerberos_realm=document.get("kerberos_realm") or domain.upper(),
        base_dn=document.get("base_dn") or ",".join(f"dc={label}" for label in domain.split(".")),
        ca_file=document["ca_file"],
        servers={
            name: Server(
                name=name,
                address=entry["address"],
                minion=entry.get("minion", name),
                fqdn=entry.get("fqdn", f"{name}.{domain}"),
            )
            for name, entry in document["servers"].items()
        },
        services={service.id: service for service in services},
        integrations={item.id: item for item in integrations},
        sandbox=copied(document["sandbox"]),
        periods=copied(document["periods"]),
        repairs=copied(document["repairs"]),
        warnings=tuple(warnings),
    )


def _service(key: str, entry: Mapping[str, Any], mode: str) -> Service:
    external = entry.get("external")
    # What existed before us is left as it is until its owner says otherwise.
    usual = "observe" if external else mode
    secrets = {
        name: Secret(
            id=name,
            kind=how.get("kind", "password"),
            services=(key, *(reader for reader in how.get("readers", ()) if reader != key)),
            length=how.get("length"),
            alphabet=how.get("alphabet"),
            purpose=how.get("purpose", PURPOSES[0]),
        )
        for name, how in entry.get("secrets", {}).items()
    }
    return Service(
        id=key,
        name=entry.get("name", key),
        layer=entry["layer"],
        phase=str(entry["phase"]),
        server=None if external else entry.get("server"),
        public_name=entry.get("public_name"),
        ports=copied(entry.get("ports", {})),
        units=tuple(unit.format(**entry.get("settings", {})) for unit in entry.get("units", ())),
        needs=tuple(entry.get("needs", ())),
        settings=copied(entry.get("settings", {})),
        enabled=entry.get("enabled", True),
        supported=entry.get("supported", False),
        mode=entry.get("mode", usual),
        external=External(**external) if external else None,
        remark=entry.get("remark"),
        companions=copied(entry.get("companions", {})),
        secrets=secrets,
    )


def _integration(key: str, entry: Mapping[str, Any], mode: str) -> Integration:
    ends = {SOURCE: entry["source"], TARGET: entry["target"]}
    engine = entry.get("engine")
    via = entry.get("engines", {}).get(engine, {}).get("realised_via")
    how = entry.get("secret")
    secret = None
    if how is not None:
        producer = how.get("producer")
        readers = (ends.get(reader, reader) for reader in how.get("readers", _BOTH))
        secret = Secret(
            id=how.get("id", key),
            kind=how.get("kind", "password"),
            services=tuple(dict.fromkeys(readers)),
            length=how.get("length"),
            alphabet=how.get("alphabet"),
            producer=ends[producer] if producer else None,
        )
    return Integration(
        id=key,
        number=entry["number"],
        kind=entry["kind"],
        source=entry["source"],
        target=entry["target"],
        title=entry.get("title", ""),
        protocol=entry.get("protocol", ""),
        direction=entry.get("direction", "push"),
        trigger=entry.get("trigger", ""),
        owner=entry.get("owner", SOURCE),
        needs=tuple(entry.get("needs", ())),
        waits=entry.get("waits"),
        mode=entry.get("mode", mode),
        probe=entry.get("probe", "read"),
        settings=copied(entry.get("settings", {})),
        secret=secret,
        realised_via=entry.get("realised_via") or via,
        engine=engine,
        not_applicable=copied(entry.get("not_applicable")),
        enabled=entry.get("enabled", True),
        supported=entry.get("supported", False),
        orchestration=entry.get("orchestration"),
    )
