"""What a machine needs before a lab can run on it; each lack is told in one line with its remedy."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .settings import CHECKOUT, Lab

DISK_BYTES = 3 * 10**9
MEMORY_BYTES = 4 * 10**9
# A socket's path may have 108 characters.
STATE_LENGTH = 80
SALT_PORTS = (4505, 4506)


@dataclass(frozen=True)
class Lack:
    """One thing that the machine lacks."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}. Remedy: {self.remedy}"


def lacks(lab: Lab, ports: dict[str, list[int]], running: set[str]) -> tuple[list[Lack], bool]:
    """
    Everything that is missing, and whether changes must be kept in memory.

    ports
        Service id -> ports.
    running
        Servers of this lab that already run: their ports are taken by the lab itself.
    """
    if os.geteuid():
        return [
            Lack("the lab must run as root", "sudo ./lab up, on a machine that may be thrown away")
        ], False
    found = [*_system(), *_space(lab)]
    in_memory = False
    if not found:
        trouble, in_memory = _namespaces(lab)
        found += trouble
    return [*found, *_ports(lab, ports, running)], in_memory


def _system() -> list[Lack]:
    release = Path("/etc/os-release")
    text = release.read_text() if release.exists() else ""
    names = [
        line.partition("=")[2].strip('"')
        for line in text.splitlines()
        if line.startswith(("ID=", "ID_LIKE="))
    ]
    if not any("debian" in name or "ubuntu" in name for name in names):
        return [
            Lack("the lab installs Debian packages, and this isn't Debian or Ubuntu", "use such a machine")
        ]
    return [
        Lack(f"the command {name} is missing", "apt-get install util-linux")
        for name in ("unshare", "nsenter", "setpriv")
        if not shutil.which(name)
    ]


def _space(lab: Lab) -> list[Lack]:
    found = []
    if len(str(lab.state)) > STATE_LENGTH:
        found.append(
            Lack(f"the path {lab.state} is too long for a socket", "choose a shorter one by --state")
        )
    free = shutil.disk_usage(_existing(lab.state)).free
    if free < DISK_BYTES:
        found.append(
            Lack(f"{free / 1e9:.1f} GB are free below {lab.state}, 3 are needed", "make room, or use --state")
        )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if memory < MEMORY_BYTES * 0.95:
        found.append(Lack(f"this machine has {memory / 1e9:.1f} GB of memory, 4 are needed", "give it more"))
    for folder in {str(CHECKOUT), sys.prefix}:
        if os.stat(folder).st_mode & 0o005 != 0o005:
            found.append(Lack(f"services of other users can't read {folder}", f"chmod -R a+rX {folder}"))
    if not os.access("/dev/shm", os.W_OK):
        found.append(Lack("/dev/shm can't be written", "mount -t tmpfs tmpfs /dev/shm"))
    return found


def _namespaces(lab: Lab) -> tuple[list[Lack], bool]:
    if _try_namespace("true"):
        remedy = "in a container, start it with --privileged"
        return [Lack("this machine doesn't let root make namespaces (unshare)", remedy)], False
    lab.state.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=lab.state, prefix="check-") as folder:
        layers = 'mkdir -p "$0/upper" "$0/work" && mount -t overlay overlay -o '
        layers += '"lowerdir=/var,upperdir=$0/upper,workdir=$0/work" /var && touch /var/.itstack-lab'
        if not _try_namespace(layers, folder):
            return [], False
        in_memory = f'mount -t tmpfs tmpfs "$0" && {layers}'
        trouble = _try_namespace(in_memory, folder)
    if trouble:
        remedy = "load the kernel's overlay module, or choose another file system by --state"
        return [Lack(f"no overlay can be mounted over /var with {lab.state}: {trouble}", remedy)], False
    return [], True


def _try_namespace(script: str, folder: str = "/") -> str:
    """Run a script in namespaces as the servers have them; the last line of its complaint, or nothing."""
    flags = ["--mount", "--uts", "--ipc", "--pid", "--fork", "--mount-proc", "--propagation", "private"]
    done = subprocess.run(
        ["unshare", *flags, "sh", "-c", script, folder], capture_output=True, text=True, check=False
    )
    return (done.stderr.strip().splitlines() or ["it failed"])[-1] if done.returncode else ""


def _ports(lab: Lab, ports: dict[str, list[int]], running: set[str]) -> list[Lack]:
    wanted = [(lab.master, port) for port in SALT_PORTS]
    for server in lab.servers.values():
        wanted += [(server, port) for service in server.services for port in ports.get(service, [])]
    taken = []
    for server, port in wanted:
        if server.name in running:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((server.address, port))
                probe.listen(1)
            except OSError:
                taken.append(f"{server.address}:{port}")
    if not taken:
        return []
    remedy = "stop what listens there (ss -ltnp shows it), or use other addresses: --network 127.0.60"
    return [Lack(f"taken already: {', '.join(sorted(set(taken)))}", remedy)]


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
