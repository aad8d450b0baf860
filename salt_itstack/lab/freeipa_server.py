"""
What ``ipa-server-install`` leaves on a machine, for the lab: a directory, an RPC server, their files.

FreeIPA's server isn't packaged for Debian, and a highstate can't install it. The lab calls ``install`` in
its stead, inside the server's mount namespace; from there on the server is configured through FreeIPA's own
interfaces, as any other.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import sys
from pathlib import Path
from typing import Any

from salt_itstack.lab import directory
from salt_itstack.lab.doubles.freeipa import schema, tree

INDEXES = {
    "ipaUniqueID": "eq pres", "krbPrincipalName": "eq sub", "krbCanonicalName": "eq",
    "memberUser": "eq pres sub",
    "memberHost": "eq pres sub", "fqdn": "eq pres", "employeeNumber": "eq", "displayName": "eq sub",
}  # fmt: skip
DEFAULTS = """\
[global]
host = {host}
server = {host}
basedn = {base}
realm = {realm}
domain = {domain}
xmlrpc_uri = https://{host}/ipa/xml
ldap_uri = ldap://{host}
mode = production
enable_ra = False
"""


def suffix_of(realm: str) -> str:
    """The suffix of a realm's tree: IT-STACK.LAB has dc=it-stack,dc=lab."""
    return ",".join(f"dc={part}" for part in realm.lower().split("."))


def install(
    address: str,
    host: str,
    domain: str,
    realm: str,
    certificate: directory.Certificate,
    admin_password: str,
    manager_password: str,
    root: str = "/",
    user: str = "dirsrv",
    instance: str = "",
    ldap_port: int = 389,
    ldaps_port: int = 636,
    rpc_port: int = 443,
    python: str = "",
) -> list[dict[str, Any]]:
    """
    Lay a server out, and say what a process supervisor is to run. Doing it again changes nothing.

    address
        Where everything listens.
    host
        The server's full name; clients must use it, and the certificate must carry it.
    realm
        Kerberos realm, in capitals; the tree's suffix follows from it.
    certificate
        PEM files for LDAPS and HTTPS.
    admin_password, manager_password
        For FreeIPA's admin and the Directory Manager. They're written only hashed, but for the manager's,
        which the RPC server reads from a file that only its user can read.
    root
        Folder that stands for ``/``, for tests.
    user
        Runs both programs.
    instance
        Base name of the directory's folder, by default that which FreeIPA would give.
    python
        The interpreter that has this package, by default this one.

    Returns dicts with ``name``, ``command``, ``user`` and ``low_ports`` (whether the program needs to open
    ports below 1024), in the order to start them.

    Raises Missing where the directory server isn't installed.
    """
    base = suffix_of(realm)
    top = Path(root)
    name = instance or f"slapd-{realm.replace('.', '-')}"
    folder, private = top / "var/lib/dirsrv" / name, top / "etc/itstack-lab"
    server = directory.Instance(
        folder=folder, suffix=base, address=address, host=host, port=ldap_port, secure_port=ldaps_port,
        user=user,
        manager_hash=directory.hash_password(manager_password), certificate=certificate,
        schema=schema.lines(),
        plugins=tree.plugins(base), extra_configuration=tree.configuration(base), indexes=INDEXES,
        settings={"nsslapd-anonlimitsdn": "cn=anonymous-limits,cn=config"},
    )  # fmt: skip
    if not (folder / "dse.ldif").exists():
        folder.mkdir(parents=True, exist_ok=True)
        directory.lay_out(server, tree.entries(base, realm, domain, admin_password))
    settings = top / "etc/ipa/default.conf"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(DEFAULTS.format(host=host, base=base, realm=realm, domain=domain), encoding="utf-8")
    authority = settings.parent / "ca.crt"
    shutil.copyfile(certificate.authority, authority)
    password, key = private / "manager.password", private / "freeipa.key"
    private.mkdir(parents=True, exist_ok=True)
    _write_private(password, manager_password + "\n", user)
    _write_private(key, certificate.key.read_text(encoding="utf-8"), user)
    shutil.copyfile(certificate.certificate, private / "freeipa.pem")
    configuration = {
        "address": address, "port": rpc_port, "host": host, "certificate": str(private / "freeipa.pem"),
        "key": str(key), "ldap_url": f"ldap://{address}:{ldap_port}", "manager": directory.MANAGER,
        "manager_password_file": str(password), "domain": domain, "realm": realm, "base_dn": base,
    }  # fmt: skip
    file = private / "freeipa.json"
    file.write_text(json.dumps(configuration, indent=2) + "\n", encoding="utf-8")
    words = [python or sys.executable, "-m", "salt_itstack.lab.doubles.freeipa", "--config", str(file)]
    return [
        {"name": "dirsrv", "command": directory.command(server), "user": user, "low_ports": True},
        {"name": "ipa-rpc", "command": words, "user": user, "low_ports": True},
    ]


def _write_private(path: Path, content: str, user: str) -> None:
    """Write a file that only one user can read, without a moment in which others could."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
    if os.geteuid() == 0:
        owner = pwd.getpwnam(user)
        os.chown(path, owner.pw_uid, owner.pw_gid)
