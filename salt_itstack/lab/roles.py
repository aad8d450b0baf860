"""
What a server's operating system looks like before Salt comes, per service.

The states start from what a package's or a vendor's installation leaves behind: a database cluster, an
installed directory, the application's files. This module makes that, once per server.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from . import names
from .errors import LabError
from .inside import write_files

DONE_FOLDER = Path("/var/lib/itstack-lab-installed")
UNIT_FOLDER = "/etc/systemd/system"
# Debian's group for those who may read private keys.
KEY_GROUP = "ssl-cert"


def install(role: str, specification: dict) -> None:
    """Run one role's installation, unless this server already has it."""
    ROLES[role](specification)


def once(role: str) -> bool:
    """Whether the lasting part of a role is still to be done; call done() afterwards."""
    return not (DONE_FOLDER / role).exists()


def done(role: str) -> None:
    """Remember that the lasting part of a role is done."""
    DONE_FOLDER.mkdir(parents=True, exist_ok=True)
    (DONE_FOLDER / role).touch()


def run(words: list[str]) -> None:
    """Run a command of the installation; LabError with its output when it fails."""
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    if found.returncode:
        raise LabError(f"{shlex.join(words)} ended with {found.returncode}: {found.stdout}{found.stderr}")


def may_read_keys(user: str) -> None:
    """Put an account into the group that may read private keys, as an administrator does."""
    run(["gpasswd", "--add", user, KEY_GROUP])


def make_account(user: str, home: str) -> None:
    """Make a system account with a group of its own, unless the machine has one of this name."""
    try:
        pwd.getpwnam(user)
    except KeyError:
        run(["useradd", "--system", "--user-group", "--home-dir", home, "--no-create-home", user])


def write_unit(name: str, text: str) -> None:
    """Put a unit file in the administrator's place, where it wins over the package's."""
    write_files([{"path": f"{UNIT_FOLDER}/{name}.service", "text": text}])


def unit(description: str, command: str, user: str, low_ports: bool = False, extra: str = "") -> str:
    """The text of a simple unit."""
    capability = "AmbientCapabilities=CAP_NET_BIND_SERVICE\n" if low_ports else ""
    return (
        f"[Unit]\nDescription={description}\n\n[Service]\nType=simple\nUser={user}\n{capability}"
        f"ExecStart={command}\n{extra}\n[Install]\nWantedBy=multi-user.target\n"
    )


def group(description: str, members: list[str]) -> str:
    """The text of a unit that stands for others."""
    return (
        f"[Unit]\nDescription={description}\n\n[Service]\nType=oneshot\nRemainAfterExit=yes\n"
        f"ExecStart=/bin/true\n\n[X-Lab]\nMembers={' '.join(members)}\n\n"
        "[Install]\nWantedBy=multi-user.target\n"
    )


def postgresql(specification: dict) -> None:
    """The cluster `main` that Debian's package makes, and units that run it in the foreground."""
    versions = sorted(
        path.name for path in Path("/usr/lib/postgresql").glob("*") if (path / "bin/postgres").exists()
    )
    if not versions:
        raise LabError("no PostgreSQL server below /usr/lib/postgresql. Remedy: ./lab up installs it")
    version = versions[-1]
    if once("postgresql"):
        run(["pg_createcluster", version, "main"])
        done("postgresql")
    write_unit(
        "postgresql@",
        unit(
            "PostgreSQL Cluster %i",
            "/usr/bin/pg_ctlcluster --skip-systemctl-redirect --foreground %i start",
            "root",
            # SIGINT is PostgreSQL's fast shutdown
            extra="KillSignal=SIGINT\nExecReload=/bin/kill -HUP $MAINPID\n",
        ),
    )
    write_unit("postgresql", group("PostgreSQL RDBMS", [f"postgresql@{version}-main"]))


def freeipa(specification: dict) -> None:
    """What ipa-server-install leaves: a directory, its RPC, a name server, behind the unit `ipa`."""
    names.write(specification["zone"], specification["address"])
    from . import directory, freeipa_server

    about = dict(specification["freeipa"])
    certificate = directory.Certificate(
        *(Path(about.pop(part)) for part in ("certificate", "key", "authority"))
    )
    programs = freeipa_server.install(
        address=specification["address"], python=specification["python"], certificate=certificate, **about
    )
    for entry in programs:
        text = unit(
            f"{entry['name']} of the FreeIPA server",
            shlex.join(entry["command"]),
            entry["user"],
            low_ports=entry["low_ports"],
        )
        write_unit(entry["name"], text)
    # The directory first: the RPC server logs in to it.
    members = [*(entry["name"] for entry in programs), "knot"]
    write_unit("ipa", group("Identity, Policy, Audit", members))


def nextcloud(specification: dict) -> None:
    """Nextcloud's files and web server, as an administrator unpacked them."""
    from .doubles import nextcloud as double

    about = specification["nextcloud"]
    if once("nextcloud"):
        double.install(about["root"], python=specification["python"], ca_bundle=None)
        for folder, _, files in os.walk(about["root"]):
            for name in [folder, *(os.path.join(folder, name) for name in files)]:
                shutil.chown(name, "www-data", "www-data")
        may_read_keys("www-data")
        done("nextcloud")
    words = [
        *(specification["python"], "-m", f"{double.__name__}.server", "--root", about["root"]),
        *("--address", specification["address"], "--http-port", "80", "--https-port", "443"),
        *("--certificate", about["certificate"], "--key", about["key"]),
    ]
    write_unit("apache2", unit("Nextcloud's web server", shlex.join(words), "www-data", low_ports=True))


MATTERMOST = """\
#!/bin/sh
# The double in the place of the server; it listens where the server would.
listens=${{MM_SERVICESETTINGS_LISTENADDRESS:-127.0.0.1:8065}}
exec {python} -m salt_itstack.lab.doubles.mattermost --address "${{listens%:*}}" \\
    --port "${{listens##*:}}" --config {root}/config/config.json
"""


def mattermost(specification: dict) -> None:
    """Mattermost's files as its archive has them, an account and a unit, as an administrator made them."""
    root = Path(specification["mattermost"]["root"])
    if once("mattermost"):
        make_account("mattermost", str(root))
        program = root / "bin/mattermost"
        program.parent.mkdir(parents=True)
        python = shlex.quote(specification["python"])
        program.write_text(MATTERMOST.format(python=python, root=root), encoding="utf-8")
        program.chmod(0o755)
        settings = root / "config/config.json"
        settings.parent.mkdir()
        settings.write_text("{}\n", encoding="utf-8")
        settings.chmod(0o600)
        for path in (root, settings.parent, settings):
            shutil.chown(path, "mattermost", "mattermost")
        done("mattermost")
    text = unit("Mattermost", str(root / "bin/mattermost"), "mattermost", extra="Restart=always\n")
    write_unit("mattermost", text)


ROLES: dict[str, Callable[[dict], None]] = {
    "freeipa": freeipa,
    "mattermost": mattermost,
    "nextcloud": nextcloud,
    "postgresql": postgresql,
}
