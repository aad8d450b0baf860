"""What the lab tells the product: the master's configuration and the lab's own overrides of the map."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from salt_itstack.master import configuration
from salt_itstack.stack import load

from .settings import Lab

MAP_FILE = "/etc/salt/itstack.d/lab.yaml"
PRODUCT_FILE = "/etc/salt/master.d/itstack.conf"
SANDBOX = {"person": "itstack-probe", "group": "users", "channel": "itstack-probe"}
# Small and quick to start rather than fast under load.
KEYCLOAK_HEAP = "256m"
KEYCLOAK_JAVA = "-XX:-UseG1GC -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
NO_KEYCLOAK = "Keycloak can't be had on this machine (no Java, or no download)"


def overrides(lab: Lab, keycloak: tuple[str, str] | None, nextcloud_root: str) -> dict:
    """
    The lab's own file of the map.

    keycloak
        Path and SHA-256 of the distribution; None when it can't be had.
    nextcloud_root
        Where the Nextcloud double lies.
    """
    services: dict[str, dict] = {
        "freeipa": {"remark": "real directory (389-ds), RPC double"},
        "mattermost": {"remark": "double"},
        "nextcloud": {"remark": "double", "settings": {"occ_command": f"{nextcloud_root}/occ"}},
    }
    proxy = lab.server_of("traefik")
    if proxy:
        program = str(Path(sys.prefix) / "bin" / "traefik")
        # All servers of the lab share the machine's network: what is on the loopback would be on all of them.
        services["traefik"] = {"settings": {"binary": program, "api_address": proxy.address}}
    if keycloak:
        path, digest = keycloak
        services["keycloak"] = {
            "settings": {
                "source": f"file://{path}",
                "source_hash": f"sha256={digest}",
                "heap": KEYCLOAK_HEAP,
                "java_options": KEYCLOAK_JAVA,
            }
        }
    else:
        services["keycloak"] = {"enabled": False, "remark": NO_KEYCLOAK}
        services["nextcloud"]["needs"] = ["postgresql", "redis"]
        services["mattermost"]["needs"] = ["postgresql"]
    found = {
        "mode": "enforce",
        "sandbox": SANDBOX,
        "servers": {server.name: {"address": server.address} for server in lab.servers.values()},
        "services": services,
    }
    if lab.partial:
        found["only"] = sorted(service for server in lab.servers.values() for service in server.services)
        _without_the_rest(found)
    return found


def _without_the_rest(chosen: dict) -> None:
    """What a part of the lab has needs nothing of the other parts."""
    there = set(chosen["only"])
    for service in load().services.values():
        if service.id in there and not set(service.needs) <= there:
            own = chosen["services"].setdefault(service.id, {})
            own["needs"] = [need for need in own.get("needs", service.needs) if need in there]


def master_files(lab: Lab, keycloak: tuple[str, str] | None, nextcloud_root: str) -> list[dict]:
    """Files for the master: the product's lines of configuration, and the map's override."""
    chosen = overrides(lab, keycloak, nextcloud_root)
    return [
        {"path": MAP_FILE, "text": yaml.safe_dump(chosen, sort_keys=False)},
        {"path": PRODUCT_FILE, "text": yaml.safe_dump(configuration(), sort_keys=False)},
    ]
