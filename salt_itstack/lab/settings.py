"""Where the lab keeps what, and which servers it has."""

from __future__ import annotations

import ipaddress
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from .errors import LabError

DEFAULT_NETWORK = "127.0.50"
STATE_PARENT = Path("/var/lib/itstack-lab")
DEFAULT_CACHE = Path("/var/cache/itstack-lab")
CHECKOUT = Path(__file__).resolve().parents[2]

MASTER = "lab-master"
MASTER_NUMBER = 1


@dataclass(frozen=True)
class Server:
    """One server of the lab: its name is its minion id."""

    name: str
    address: str
    fqdn: str
    services: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lab:
    """One lab: its network, its folders and its servers."""

    network: str
    state: Path
    cache: Path
    domain: str
    realm: str
    base_dn: str
    servers: dict[str, Server]
    # service id -> public host name
    public_names: dict[str, str] = field(default_factory=dict)
    # services that people reach through the proxy, where the lab has it
    proxied: tuple[str, ...] = ()
    # only some of the map's servers are there
    partial: bool = False

    @property
    def master(self) -> Server:
        """The Salt master, which is a server of its own."""
        return Server(MASTER, f"{self.network}.{MASTER_NUMBER}", f"{MASTER}.{self.domain}")

    @property
    def everyone(self) -> list[Server]:
        """The master and all servers."""
        return [self.master, *self.servers.values()]

    def server_of(self, service: str) -> Server | None:
        """The server that runs a service, if the lab has it."""
        for server in self.servers.values():
            if service in server.services:
                return server
        return None

    def public_fqdn(self, service: str) -> str:
        """The name that people use for a service: its public one, or its server's."""
        name = self.public_names.get(service)
        if name:
            return f"{name}.{self.domain}"
        server = self.server_of(service)
        return server.fqdn if server else ""

    @property
    def socket(self) -> Path:
        """Where the keeper listens."""
        return self.state / "keeper.sock"

    @property
    def logs(self) -> Path:
        """Logs of the keeper and of each server's start."""
        return self.state / "log"

    @property
    def share(self) -> Path:
        """The folder of the state that every server sees."""
        return self.state / "share"

    @property
    def visible(self) -> list[str]:
        """Folders that keep their place in every server."""
        return sorted(
            {str(CHECKOUT), str(self.share), str(self.cache), sys.prefix, sys.base_prefix} - {"/usr"}
        )


def check_network(network: str) -> str:
    """A network prefix of three numbers inside 127.0.0.0/8, or LabError."""
    wrong = f"--network {network}: three numbers are needed that start with 127, such as {DEFAULT_NETWORK}"
    if not re.fullmatch(r"127\.\d{1,3}\.\d{1,3}", network):
        raise LabError(wrong)
    try:
        ipaddress.ip_address(f"{network}.1")
    except ValueError:
        raise LabError(wrong) from None
    return network


def _proxied(servers: dict[str, Server]) -> tuple[str, ...]:
    """The services that this version's proxy has a route for, if the lab has both."""
    from salt_itstack.stack import load

    there = {service for server in servers.values() for service in server.services}
    if "traefik" not in there:
        return ()
    routes = [item for item in load().integrations.values() if item.kind == "ingress" and item.supported]
    return tuple(item.target for item in routes if item.target in there)


def choose(network: str, state: str | None, cache: str | None, only: list[str] | None = None) -> Lab:
    """
    The lab that the command line asks for.

    network
        The first three numbers of its addresses.
    state, cache
        Folders, or None for the usual ones.
    only
        Names of the servers to have; all of them when empty.
    """
    from .layout import read_map

    check_network(network)
    found = read_map(network)
    servers = found.servers
    if only:
        unknown = sorted(set(only) - set(servers))
        if unknown:
            raise LabError(f"--servers: no server {', '.join(unknown)}; there are {', '.join(servers)}")
        servers = {name: servers[name] for name in servers if name in only}
    return Lab(
        network=network,
        state=Path(state).resolve() if state else STATE_PARENT / network,
        cache=Path(cache).resolve() if cache else DEFAULT_CACHE,
        domain=found.domain,
        realm=found.realm,
        base_dn=found.base_dn,
        servers=servers,
        public_names=found.public_names,
        proxied=_proxied(servers),
        partial=len(servers) < len(found.servers),
    )
