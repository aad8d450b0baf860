"""What the lab tells the product: the master's configuration and the lab's own overrides of the map."""

from __future__ import annotations

import yaml

from salt_itstack.master import configuration

from .settings import Lab

MAP_FILE = "/etc/salt/itstack.d/lab.yaml"
PRODUCT_FILE = "/etc/salt/master.d/itstack.conf"
SANDBOX = {"person": "itstack-probe", "group": "users"}
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
        "nextcloud": {"remark": "double", "settings": {"occ_command": f"{nextcloud_root}/occ"}},
    }
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
    found = {
        "mode": "enforce",
        "sandbox": SANDBOX,
        "servers": {server.name: {"address": server.address} for server in lab.servers.values()},
        "services": services,
    }
    if lab.partial:
        found["only"] = sorted(service for server in lab.servers.values() for service in server.services)
    return found


def master_files(lab: Lab, keycloak: tuple[str, str] | None, nextcloud_root: str) -> list[dict]:
    """Files for the master: the product's lines of configuration, and the map's override."""
    chosen = overrides(lab, keycloak, nextcloud_root)
    return [
        {"path": MAP_FILE, "text": yaml.safe_dump(chosen, sort_keys=False)},
        {"path": PRODUCT_FILE, "text": yaml.safe_dump(configuration(), sort_keys=False)},
    ]
