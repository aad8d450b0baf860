"""The lab's servers, taken from the shipped map: same names and services, addresses on the lab's network."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

import yaml

from .settings import Server


@dataclass(frozen=True)
class Layout:
    """What the lab takes from the map."""

    domain: str
    realm: str
    base_dn: str
    servers: dict[str, Server]
    public_names: dict[str, str]
    # service id -> port numbers it listens on
    ports: dict[str, list[int]]


def read_map(network: str) -> Layout:
    """The layout for a network prefix such as 127.0.50; each server keeps the last number of its address."""
    folder = resources.files("salt_itstack.stack")
    stack = yaml.safe_load((folder / "servers.yaml").read_text())
    services = yaml.safe_load((folder / "services.yaml").read_text())["services"]
    domain = stack["domain"]
    servers = {}
    for name, entry in stack["servers"].items():
        number = entry["address"].rsplit(".", 1)[-1]
        runs = tuple(service for service, about in services.items() if about.get("server") == name)
        servers[name] = Server(name, f"{network}.{number}", f"{name}.{domain}", runs)
    return Layout(
        domain=domain,
        realm=stack["realm"],
        base_dn=stack["base_dn"] or ",".join(f"dc={part}" for part in domain.split(".")),
        servers=servers,
        public_names={
            service: about["public_name"] for service, about in services.items() if about.get("public_name")
        },
        ports={service: _tcp_ports(about.get("ports") or {}) for service, about in services.items()},
    )


def _tcp_ports(ports: dict[str, int]) -> list[int]:
    return sorted(port for name, port in ports.items() if not name.endswith("_udp") and isinstance(port, int))
