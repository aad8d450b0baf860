"""One double by itself, with the real servers below it, for people who develop against it."""

from __future__ import annotations

import contextlib
import io
import ipaddress
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .authority import Authority
from .directory import Certificate
from .errors import LabError, tail
from .progress import Progress

LOOPBACK = "127.0.0.1"
DOMAIN, REALM = "it-stack.lab", "IT-STACK.LAB"
#: Seconds within which a server that was started has to listen.
START_SECONDS = 60
#: Seconds within which it has to end by itself.
END_SECONDS = 20
POSTGRESQL = "postgresql"


class Alone:
    """
    A double that runs as long as this process does, in a folder that goes with it.

    address
        Where it listens. On the machine's loopback it takes free ports, elsewhere the product's own.
    folder
        Empty, and open to other users.
    """

    def __init__(self, address: str, folder: Path) -> None:
        self.address, self.folder = address, folder
        self.host = "localhost" if address == LOOPBACK else address
        self.password = secrets.token_urlsafe(18)
        self.programs: dict[str, subprocess.Popen[bytes]] = {}
        self.servers: list[Any] = []

    def port(self, usual: int) -> int:
        """The port to listen on."""
        return usual if self.address != LOOPBACK else free_port()

    def launch(
        self,
        name: str,
        command: list[str],
        user: str,
        ports: list[tuple[str, int]],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """
        Start a program as a user, and wait until it listens on these addresses.

        environment
            Variables that it has beside this process's own.
        """
        log = self.folder / f"{name}.log"
        # The product's own ports may be such as only root's programs can open.
        low_ports = "+net_bind_service"
        privileges = [
            "setpriv",
            f"--reuid={user}",
            f"--regid={pwd.getpwnam(user).pw_gid}",
            "--init-groups",
            f"--inh-caps={low_ports}",
            f"--ambient-caps={low_ports}",
            # However this process ends.
            "--pdeathsig=KILL",
        ]
        with log.open("ab") as stream:
            self.programs[name] = subprocess.Popen(
                [*privileges, *command],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={**os.environ, **(environment or {})},
            )
        end = time.monotonic() + START_SECONDS
        for place in ports:
            while not _listens(place):
                self.check()
                if time.monotonic() > end:
                    raise LabError(f"{name} isn't ready in time; the end of {log}:\n{tail(str(log))}")
                time.sleep(0.05)

    def check(self) -> None:
        """LabError with the last words of a program that has ended."""
        for name, program in self.programs.items():
            if program.poll() is not None:
                log = self.folder / f"{name}.log"
                raise LabError(
                    f"{name} ended with {program.returncode}; the end of its log:\n{tail(str(log))}"
                )

    def serve(self, servers: list[Any]) -> None:
        """Keep servers of this process, to be ended with it."""
        self.servers += servers

    def end(self) -> None:
        """End all that was started."""
        for server in self.servers:
            server.shutdown()
            server.server_close()
        for name, program in reversed(self.programs.items()):
            # PostgreSQL waits for its clients when it is asked with SIGTERM.
            program.send_signal(signal.SIGINT if name == POSTGRESQL else signal.SIGTERM)
            try:
                program.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()

    def database(self, name: str) -> tuple[int, str]:
        """A real PostgreSQL with an empty database, owned by a role of the same name; port and password."""
        programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        cluster, password, port = self.folder / POSTGRESQL, secrets.token_urlsafe(18), free_port()
        cluster.mkdir(mode=0o700)
        shutil.chown(cluster, "postgres", "postgres")
        socket_folder = self.folder / "socket"
        socket_folder.mkdir(mode=0o700)
        shutil.chown(socket_folder, "postgres", "postgres")
        owner: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": [], "cwd": "/"}
        done = subprocess.run(
            [programs / "initdb", "-D", cluster, "--auth-local=peer", "--auth-host=scram-sha-256",
             "--no-sync", "--locale=C.UTF-8", "--encoding=UTF8"],
            capture_output=True, text=True, check=False, **owner,
        )  # fmt: skip
        if done.returncode:
            raise LabError(f"initdb ended with {done.returncode}: {done.stderr.strip()}")
        command = [str(programs / "postgres"), "-D", str(cluster), "-h", LOOPBACK, "-p", str(port),
                   "-k", str(socket_folder), "-c", "fsync=off"]  # fmt: skip
        self.launch(POSTGRESQL, command, "postgres", [(LOOPBACK, port)])
        end = time.monotonic() + START_SECONDS
        # It listens a moment before it lets anybody in.
        ready = [programs / "pg_isready", "-q", "-h", LOOPBACK, "-p", str(port)]
        while subprocess.run(ready, check=False).returncode:
            self.check()
            if time.monotonic() > end:
                raise LabError(f"PostgreSQL lets nobody in after {START_SECONDS} s")
            time.sleep(0.05)
        # On standard input: a command line can be read by everybody.
        statements = (
            f"CREATE ROLE {name} LOGIN PASSWORD '{password}';\nCREATE DATABASE {name} OWNER {name};\n"
        )
        done = subprocess.run(
            [programs / "psql", "-v", "ON_ERROR_STOP=1", "-q", "-h", socket_folder, "-p", str(port),
             "postgres"],
            input=statements, capture_output=True, text=True, check=False, **owner,
        )  # fmt: skip
        if done.returncode:
            raise LabError(f"the database can't be made: {done.stderr.strip()}")
        return port, password


def _listens(place: tuple[str, int]) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(place, timeout=1):
        return True
    return False


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _freeipa(site: Alone) -> dict[str, Any]:
    from . import freeipa_server

    ports = {name: site.port(usual) for name, usual in {"ldap": 389, "ldaps": 636, "rpc": 443}.items()}
    authority = Authority(site.folder / "authority", DOMAIN)
    pem, key = authority.issue(site.host, [site.address])
    files = Certificate(*(site.folder / name for name in ("server.pem", "server.key", "ca.pem")))
    files.key.touch(mode=0o600)
    for path, text in zip(
        (files.certificate, files.key, files.authority), (pem, key, authority.pem), strict=True
    ):
        path.write_text(text, encoding="utf-8")
    programs = freeipa_server.install(
        address=site.address, host=site.host, domain=DOMAIN, realm=REALM, certificate=files,
        admin_password=site.password, manager_password=secrets.token_urlsafe(18), root=str(site.folder),
        # A semaphore is named like it: no other one on the machine may have its name.
        instance=f"slapd-alone-{os.getpid()}",
        ldap_port=ports["ldap"], ldaps_port=ports["ldaps"], rpc_port=ports["rpc"],
    )  # fmt: skip
    listening = {"dirsrv": ("ldap", "ldaps"), "ipa-rpc": ("rpc",)}
    for program in programs:
        places = [(site.address, ports[name]) for name in listening[program["name"]]]
        site.launch(program["name"], program["command"], program["user"], places)
    return {
        "url": f"https://{site.host}:{ports['rpc']}",
        "user": "admin",
        "password": site.password,
        "ca": str(files.authority),
        "ldap": f"ldap://{site.host}:{ports['ldap']}",
    }


def _mattermost(site: Alone) -> dict[str, Any]:
    import threading

    from salt_itstack.http import Session

    from .doubles.mattermost.configuration import Configuration
    from .doubles.mattermost.server import serve

    database, secret = site.database("mattermost")
    port = site.port(8065)
    url = f"http://{site.host}:{port}"
    file = site.folder / "config.json"
    source = (
        f"postgres://mattermost:{secret}@{LOOPBACK}:{database}/mattermost?sslmode=disable&connect_timeout=5"
    )
    settings = {
        "ServiceSettings": {
            "SiteURL": url,
            "EnableBotAccountCreation": True,
            "EnableUserAccessTokens": True,
            "EnableLocalMode": True,
        },
        "EmailSettings": {"SendEmailNotifications": False},
    }
    file.write_text(json.dumps(settings), encoding="utf-8")
    servers = serve(
        Configuration(file, {"MM_SQLSETTINGS_DATASOURCE": source}),
        site.address,
        port,
        str(site.folder / "local.socket"),
    )
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    site.serve(servers)
    http = Session(url, "Mattermost")
    # The first account is the administrator's.
    account = {"username": "admin", "email": f"admin@{DOMAIN}", "password": site.password}
    http.post("/api/v4/users", json=account)
    http.close()
    return {"url": url, "user": "admin", "password": site.password, "ca": None}


def _nextcloud(site: Alone) -> dict[str, Any]:
    from .doubles.nextcloud import install, occ, server

    database, secret = site.database("nextcloud")
    port = site.port(80)
    root = str(site.folder / "nextcloud")
    install(root)

    def run(*words: str, stdin: str = "") -> None:
        out = io.StringIO()
        if occ.main(root, list(words), (io.StringIO(stdin), out, out), {}):
            raise LabError(f"occ {words[0]} failed: {out.getvalue().strip()}")

    run(
        "maintenance:install", "--database=pgsql", "--database-name=nextcloud", "--database-user=nextcloud",
        f"--database-host={LOOPBACK}:{database}", "--admin-user=admin", f"--data-dir={site.folder / 'data'}",
        stdin=f"{secret}\n{site.password}\n",
    )  # fmt: skip
    run("config:system:set", "trusted_domains", "0", f"--value={site.host}")
    run("config:system:set", "trusted_domains", "1", f"--value={site.address}")
    run("app:enable", "user_oidc")
    site.serve(server.serve(root, site.address, http_port=port))
    return {"url": f"http://{site.host}:{port}", "user": "admin", "password": site.password, "ca": None}


DOUBLES: dict[str, Callable[[Alone], dict[str, Any]]] = {
    "freeipa": _freeipa,
    "mattermost": _mattermost,
    "nextcloud": _nextcloud,
}


@contextlib.contextmanager
def running(name: str, address: str) -> Iterator[tuple[Alone, dict[str, Any]]]:
    """
    A started double, gone afterwards.

    address
        An IPv4 address of this machine.

    Gives what runs, and what a client needs: ``url``, ``user``, ``password``, ``ca`` (path of a PEM file, or
    ``None`` where it speaks plain HTTP), and ``ldap`` for FreeIPA.

    Raises LabError where it can't start.
    """
    try:
        if ipaddress.ip_address(address).version != 4:
            raise ValueError
    except ValueError:
        raise LabError(
            f"--address: {address!r} is no IPv4 address. Remedy: give {LOOPBACK}, or another of this machine"
        ) from None
    folder = Path(tempfile.mkdtemp(prefix=f"itstack-{name}-", dir="/var/tmp"))
    folder.chmod(0o755)
    site = Alone(address, folder)
    try:
        yield site, DOUBLES[name](site)
    except OSError as error:
        raise LabError(
            f"{name} can't be started on {address}: {error}. Remedy: see that the address is this machine's, "
            "and that nothing else listens there"
        ) from None
    finally:
        site.end()
        shutil.rmtree(folder, ignore_errors=True)


def run(name: str, address: str, progress: Progress) -> int:
    """Start a double, print a line of JSON, and keep it until interrupted. Returns the exit code."""
    with contextlib.ExitStack() as stack:
        with progress.stage(f"double of {name}"):
            site, about = stack.enter_context(running(name, address))
        print(json.dumps(about), flush=True)
        progress.say(f"a double of {name}, not the real product; it forgets everything when it ends (Ctrl-C)")
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                site.check()
                time.sleep(0.5)
    return 0
