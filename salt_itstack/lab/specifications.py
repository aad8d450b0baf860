"""What each server of a lab consists of, as data that its first process carries out."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from . import fleet, names
from .authority import Authority
from .client import plain_environment
from .roles import KEY_GROUP
from .settings import CHECKOUT, MASTER, Lab, Server

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
TLS_FOLDER = "/etc/ssl/itstack"
# The product's name of the one secret that was made outside of it.
ADMINISTRATOR = "freeipa-admin"
ADMINISTRATOR_SECRET = "/etc/itstack-lab/freeipa-admin"
NEXTCLOUD_ROOT = "/var/www/nextcloud"
MATTERMOST_ROOT = "/opt/mattermost"
# What takes part in TLS under its own certificate.
TLS_SERVICES = ("freeipa", "keycloak", "nextcloud", "traefik")
ROLES = ("freeipa", "mattermost", "nextcloud", "postgresql")
MODULE_FOLDER = Path(__file__).parent / "salt"
CODE = ("salt_itstack/**/*.py", "salt_itstack/**/*.yaml", "_*/itstack*.py")


def write(lab: Lab, keycloak: tuple[str, str] | None) -> dict[str, dict]:
    """
    Write the specifications of all servers into the state folder and return them by name.

    keycloak
        Path and SHA-256 of its distribution; None when it can't be had.
    """
    folder = lab.state / "specs"
    for path in (lab.state, folder):
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o700)
    lab.share.mkdir(exist_ok=True)
    lab.share.chmod(0o755)
    authority = Authority(lab.state / "ca", lab.domain)
    keys = Keys(lab.state / "pki")
    found = {MASTER: _master(lab, authority, keys, keycloak)}
    for server in lab.servers.values():
        found[server.name] = _minion(lab, server, authority, keys)
    code = fingerprint(CHECKOUT)
    for name, specification in found.items():
        # among Salt's own files: when it changes, running daemons are started anew
        kind = "master" if name == MASTER else "minion"
        specification["files"].append({"path": f"/etc/salt/{kind}-code", "text": code + "\n"})
        path = folder / f"{name}.json"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(handle, "w") as stream:
            json.dump(specification, stream)
    return found


def fingerprint(checkout: Path) -> str:
    """A digest that differs when the code that Salt's daemons have loaded was changed."""
    digest = hashlib.sha256()
    for pattern in CODE:
        for path in sorted(checkout.glob(pattern)):
            about = path.stat()
            digest.update(f"{path}\0{about.st_size}\0{about.st_mtime_ns}\n".encode())
    return digest.hexdigest()


class Keys:
    """Salt's key pairs, made beforehand so that master and minions know each other from the start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def pair(self, name: str) -> tuple[str, str]:
        """Private and public key of the master or of a minion, as PEM."""
        private, public = self.folder / f"{name}.pem", self.folder / f"{name}.pub"
        if not (private.exists() and public.exists()):
            key = rsa.generate_private_key(65537, 2048)
            private.touch(mode=0o600)
            private.write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.TraditionalOpenSSL,
                    serialization.NoEncryption(),
                )
            )
            public.write_bytes(
                key.public_key().public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                )
            )
        return private.read_text(), public.read_text()


def password(lab: Lab, name: str) -> str:
    """A password that an installation is given, made once."""
    path = lab.state / name
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(18))
    return path.read_text()


def _common(lab: Lab, server: Server, authority: Authority) -> dict:
    resolver = lab.server_of("freeipa")
    lines = [f"search {lab.domain}", "options timeout:1 attempts:2"]
    if resolver:
        lines.insert(0, f"nameserver {resolver.address}")
    files = [
        {"path": "/etc/hostname", "text": server.name + "\n"},
        {
            "path": "/etc/hosts",
            "text": f"127.0.0.1 localhost\n{server.address} {server.fqdn} {server.name}\n",
        },
        {"path": "/etc/resolv.conf", "text": "\n".join(lines) + "\n"},
        {"path": BUNDLE, "text": machine_bundle() + authority.pem},
        {"path": f"{TLS_FOLDER}/ca.crt", "text": authority.pem},
    ]
    served = [service for service in TLS_SERVICES if service in server.services]
    if "traefik" in served:
        # The proxy has a certificate of each name that it serves.
        served += [service for service in lab.proxied if service not in served]
    for service in served:
        fqdn = lab.public_fqdn(service)
        certificate, key = authority.issue(fqdn, _other_names(lab, service))
        files.append({"path": f"{TLS_FOLDER}/{fqdn}.crt", "text": certificate})
        files.append({"path": f"{TLS_FOLDER}/{fqdn}.key", "text": key, "mode": "0640", "group": KEY_GROUP})
    return {
        "name": server.name,
        "address": server.address,
        "fqdn": server.fqdn,
        "storage": str(lab.state / "servers" / server.name),
        "visible": lab.visible,
        "shared_tmp": False,
        "python": sys.executable,
        "files": files,
        "programs": {},
        "roles": [],
    }


def _other_names(lab: Lab, service: str) -> list[str]:
    """What else a service's certificate is for: its server, and the proxy's where that is the way in."""
    places = [lab.server_of(service), lab.server_of("traefik") if service in lab.proxied else None]
    return [name for place in places if place for name in (place.fqdn, place.address)]


def _salt_command(name: str) -> str:
    return f"{sys.executable} {Path(sys.prefix) / 'bin' / name}"


def _master(lab: Lab, authority: Authority, keys: Keys, keycloak: tuple[str, str] | None) -> dict:
    found = _common(lab, lab.master, authority)
    private, public = keys.pair("master")
    configuration = {
        "interface": lab.master.address,
        "worker_threads": 3,
        "timeout": 20,
        "gather_job_timeout": 10,
        "log_level": "warning",
        "log_level_logfile": "warning",
        "show_timeout": True,
    }
    found["files"] += [
        {"path": "/etc/salt/master", "text": yaml.safe_dump(configuration)},
        {"path": "/etc/salt/pki/master/master.pem", "text": private, "mode": "0400"},
        {"path": "/etc/salt/pki/master/master.pub", "text": public},
        *(
            {"path": f"/etc/salt/pki/master/minions/{name}", "text": keys.pair(name)[1]}
            for name in lab.servers
        ),
        *fleet.master_files(lab, keycloak, NEXTCLOUD_ROOT),
        {"path": ADMINISTRATOR_SECRET, "text": password(lab, ADMINISTRATOR), "mode": "0600"},
        {"path": "/etc/itstack-lab/bashrc", "text": _bashrc(lab)},
    ]
    found["shared_tmp"] = True
    found["programs"] = {"salt-master": _salt_command("salt-master")}
    return found


def _bashrc(lab: Lab) -> str:
    return (
        "[ -r /etc/bash.bashrc ] && . /etc/bash.bashrc\n"
        f"export PATH='{plain_environment()['PATH']}'\n"
        f"PS1='({lab.network}) \\u@\\h:\\w\\$ '\n"
    )


def _minion(lab: Lab, server: Server, authority: Authority, keys: Keys) -> dict:
    found = _common(lab, server, authority)
    private, public = keys.pair(server.name)
    configuration = {
        "id": server.name,
        "master": lab.master.address,
        "providers": {"service": "itstack_lab_service"},
        "module_dirs": [str(MODULE_FOLDER)],
        "acceptance_wait_time": 1,
        "enable_fqdns_grains": False,
        "enable_gpu_grains": False,
        # The pack is installed here; see "The package" in docs/install.md.
        "autoload_dynamic_modules": False,
        "log_level": "warning",
        "log_level_logfile": "warning",
    }
    found["files"] += [
        {"path": "/etc/salt/minion", "text": yaml.safe_dump(configuration)},
        {"path": "/etc/salt/pki/minion/minion.pem", "text": private, "mode": "0400"},
        {"path": "/etc/salt/pki/minion/minion.pub", "text": public},
        {"path": "/etc/salt/pki/minion/minion_master.pub", "text": keys.pair("master")[1]},
    ]
    found["programs"] = {"salt-minion": _salt_command("salt-minion")}
    found["roles"] = [role for role in ROLES if role in server.services]
    if "freeipa" in server.services:
        found["zone"] = names.zone(lab)
        fqdn = lab.public_fqdn("freeipa")
        found["freeipa"] = {
            "host": fqdn,
            "domain": lab.domain,
            "realm": lab.domain.upper(),
            "admin_password": password(lab, ADMINISTRATOR),
            "manager_password": password(lab, "directory-manager"),
            "certificate": f"{TLS_FOLDER}/{fqdn}.crt",
            "key": f"{TLS_FOLDER}/{fqdn}.key",
            "authority": f"{TLS_FOLDER}/ca.crt",
        }
    if "mattermost" in server.services:
        found["mattermost"] = {"root": MATTERMOST_ROOT}
    if "nextcloud" in server.services:
        fqdn = lab.public_fqdn("nextcloud")
        found["nextcloud"] = {
            "root": NEXTCLOUD_ROOT,
            "certificate": f"{TLS_FOLDER}/{fqdn}.crt",
            "key": f"{TLS_FOLDER}/{fqdn}.key",
        }
    return found


def machine_bundle() -> str:
    """The authorities that the machine trusts."""
    path = Path(BUNDLE)
    return path.read_text() if path.exists() else ""
