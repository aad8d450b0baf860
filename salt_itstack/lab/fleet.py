"""What the lab tells the product: the master's configuration and the lab's own overrides of the map."""

from __future__ import annotations

import importlib.util

import yaml

from .settings import Lab

MAP_FILE = "/etc/salt/itstack.d/lab.yaml"
PRODUCT_FILE = "/etc/salt/master.d/itstack.conf"


def overrides(lab: Lab) -> dict:
    """The lab's own file of the map."""
    return {
        "mode": "enforce",
        "servers": {server.name: {"address": server.address} for server in lab.servers.values()},
    }


def master_files(lab: Lab) -> list[dict]:
    """Files for the master: the product's lines of configuration, and the map's override."""
    files = [{"path": MAP_FILE, "text": yaml.safe_dump(overrides(lab), sort_keys=False)}]
    if importlib.util.find_spec("salt_itstack.master"):
        from salt_itstack import master

        files.append({"path": PRODUCT_FILE, "text": yaml.safe_dump(master.configuration(), sort_keys=False)})
    return files
