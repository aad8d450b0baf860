"""
Clients of a real Keycloak on a real PostgreSQL: this pack against Ansible's modules and a bare script.

All are started as users start them, and are measured from start to exit. Requests are counted in Keycloak's
own log.
"""

from __future__ import annotations

import contextlib
import shutil
import statistics
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests

from salt_itstack.lab import packages
from salt_itstack.lab.alone import LOOPBACK, Alone, free_port
from salt_itstack.lab.progress import Progress
from salt_itstack.lab.settings import DEFAULT_NETWORK, choose

from . import processes
from .processes import SET, Ansible, AsStates, Objects, Salt, Script, extrapolated, growth, measured

TITLE = "Clients of Keycloak"
COUNTS, FEW = (1, 100, 1000), (1, 10)
#: One by one takes minutes: beyond it the others' figures are computed from this number of clients.
MOST_OF_OTHERS = 100
#: Made and removed again before anything is measured: a young Java is several times slower than a warm one.
WARMING = 150
ACCOUNT = {"client_id": "bench", "client_secret": "secret-of-the-bench"}
LIMIT = 300.0


class Server:
    """
    Keycloak in production mode, with PostgreSQL.

    site
        Runs the programs.
    archive
        Keycloak's distribution.
    """

    def __init__(self, site: Alone, archive: str) -> None:
        database, password = site.database("keycloak")
        with zipfile.ZipFile(archive) as content:
            content.extractall(site.folder)
        home = next(site.folder.glob("keycloak-*"))
        self._port, self._management = free_port(), free_port()
        self.url = f"http://{LOOPBACK}:{self._port}"
        settings = {
            "db": "postgres",
            "db-url": f"jdbc:postgresql://{LOOPBACK}:{database}/keycloak",
            "db-username": "keycloak",
            "db-password": password,
            "http-enabled": "true",
            "http-host": LOOPBACK,
            "http-port": self._port,
            "http-management-port": self._management,
            "hostname-strict": "false",
            "cache": "local",
            "health-enabled": "true",
            "http-access-log-enabled": "true",
        }
        lines = "".join(f"{key}={value}\n" for key, value in settings.items())
        (home / "conf" / "keycloak.conf").write_text(lines, encoding="utf-8")
        subprocess.run(["chown", "-R", "nobody:", str(home)], check=True)
        program = str(home / "bin" / "kc.sh")
        environment = {
            "JAVA_OPTS_KC_HEAP": "-Xms128m -Xmx512m",
            "KC_BOOTSTRAP_ADMIN_CLIENT_ID": ACCOUNT["client_id"],
            "KC_BOOTSTRAP_ADMIN_CLIENT_SECRET": ACCOUNT["client_secret"],
            "HOME": str(home),
        }
        site.launch("keycloak", ["sh", program, "start"], "nobody", [], environment)
        self._site, self._log, self._mark = site, site.folder / "keycloak.log", 0
        end = time.monotonic() + LIMIT
        while not self._ready():
            site.check()
            assert time.monotonic() < end, f"Keycloak isn't ready in {LIMIT:.0f} s"
            time.sleep(0.5)

    def _ready(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"http://{LOOPBACK}:{self._management}/health/ready", timeout=2).ok
        return False

    def requests(self) -> int:
        """How many requests there have been, without those of this function."""
        # The log is written with a delay: what is in it when this one has come, came before.
        self._mark += 1
        path = f"/realms/master?bench={self._mark}"
        requests.get(f"{self.url}{path}", timeout=30)
        end = time.monotonic() + LIMIT
        while f"{path} " not in (text := self._log.read_text(encoding="utf-8", errors="replace")):
            assert time.monotonic() < end, "Keycloak's log doesn't show a request"
            time.sleep(0.02)
        return sum(" HTTP/1.1" in line for line in text.splitlines()) - self._mark

    @contextlib.contextmanager
    def realm(self, name: str) -> Iterator[str]:
        """A new realm, gone afterwards."""
        self._admin("POST", "/realms", json={"realm": name, "enabled": True})
        try:
            yield name
        finally:
            self._admin("DELETE", f"/realms/{name}")

    def _admin(self, method: str, path: str, **request: Any) -> None:
        grant = {"grant_type": "client_credentials", **ACCOUNT}
        token = requests.post(
            f"{self.url}/realms/master/protocol/openid-connect/token", data=grant, timeout=60
        ).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        requests.request(
            method, f"{self.url}/admin{path}", headers=headers, timeout=LIMIT, **request
        ).raise_for_status()


def declared(count: int, changed: bool = False) -> dict[str, dict[str, Any]]:
    """So many clients, as this pack is told; ``changed`` is with another description of one of them."""
    return {
        f"application-{number:04}": {
            "description": "another one" if changed and number == count // 2 else "of the bench",
            "secret": f"secret-of-application-{number:04}",
            "redirect_uris": [f"https://application-{number:04}.it-stack.lab/callback"],
            "web_origins": ["+"],
            "standard_flow": True,
            "direct_access_grants": False,
            "mappers": {
                "groups": {
                    "type": "oidc-group-membership-mapper",
                    "config": {"claim.name": "groups", "full.path": False, "id.token.claim": True},
                },
                "department": {
                    "type": "oidc-usermodel-attribute-mapper",
                    "config": {
                        "claim.name": "department",
                        "user.attribute": "department",
                        "jsonType.label": "String",
                        "id.token.claim": True,
                    },
                },
            },
        }
        for number in range(count)
    }


def representation(fields: dict[str, Any]) -> dict[str, Any]:
    """The same client as Keycloak's own interface wants it."""
    return {
        "description": fields["description"],
        "secret": fields["secret"],
        "redirectUris": fields["redirect_uris"],
        "webOrigins": fields["web_origins"],
        "standardFlowEnabled": fields["standard_flow"],
        "directAccessGrantsEnabled": fields["direct_access_grants"],
        "protocolMappers": [
            {
                "name": name,
                "protocol": "openid-connect",
                "protocolMapper": mapper["type"],
                "config": {
                    key: str(value).lower() if isinstance(value, bool) else value
                    for key, value in mapper["config"].items()
                },
            }
            for name, mapper in fields["mappers"].items()
        ],
    }


def options(client_id: str, fields: Any) -> dict[str, Any]:
    """The same client as community.general's keycloak_client wants it."""
    wire = representation(fields)
    return {
        "client_id": client_id,
        "description": wire["description"],
        "secret": wire["secret"],
        "redirect_uris": wire["redirectUris"],
        "web_origins": wire["webOrigins"],
        "standard_flow_enabled": wire["standardFlowEnabled"],
        "direct_access_grants_enabled": wire["directAccessGrantsEnabled"],
        "protocol_mappers": wire["protocolMappers"],
    }


def as_set(realm: str) -> Callable[[Objects], Any]:
    """All clients in one state."""

    def sls(objects: Objects) -> Any:
        arguments = [{"realm": realm}, {"clients": {name: dict(fields) for name, fields in objects.items()}}]
        return {SET: {"itstack_keycloak.clients_present": arguments}}

    return sls


def as_states(realm: str) -> Callable[[Objects], Any]:
    """A state for each client."""

    def sls(objects: Objects) -> Any:
        return {
            name: {
                "itstack_keycloak.client_present": [
                    {"realm": realm},
                    *({key: value} for key, value in fields.items()),
                ]
            }
            for name, fields in objects.items()
        }

    return sls


def measure(tell: Callable[[str], None], quick: bool = False) -> dict[str, Any]:
    """Make, look at and change clients with each tool, each in a realm of its own."""
    counts = FEW if quick else COUNTS
    lab = choose(DEFAULT_NETWORK, None, None)
    progress = Progress()
    packages.install(lab, progress)
    archive = packages.keycloak(lab, progress)
    assert archive, "there is no Keycloak to measure"
    ansible = processes.ANSIBLE.provide(lab.cache, tell)
    folder = Path(tempfile.mkdtemp(prefix="itstack-bench-", dir="/var/tmp"))
    folder.chmod(0o755)
    site = Alone(LOOPBACK, folder)
    try:
        tell("starting Keycloak")
        server = Server(site, archive[0])
        bench = Bench(server, folder, ansible, tell)
        bench.warm()
        rows = [row for count in counts for row in bench.rows(count)]
        over_script = bench.creation_over_script(counts[-1])
    finally:
        site.end()
        shutil.rmtree(folder, ignore_errors=True)
    most = counts[-1]
    if most > MOST_OF_OTHERS:
        rows.append(extrapolated(rows, Ansible.name, most))
    found = {(row["tool"], row["count"]): row for row in rows}
    ours, others = (found[name, most] for name in (Salt.name, rows[-1]["tool"]))
    return {
        "runs": rows,
        "no_op_requests": ours["no_op_requests"],
        "no_op_s": ours["no_op_s"],
        "no_op_first_s": ours["no_op_first_s"],
        "faster_than_community_general": round(others["no_op_s"] / ours["no_op_s"]),
        "create_over_script": round(over_script, 2),
        "memory_growth_mib": bench.growth,
    }


class Bench:
    """The tools, on one server."""

    def __init__(self, server: Server, folder: Path, ansible: Path, tell: Callable[[str], None]) -> None:
        self.server, self.folder, self.ansible, self.tell = server, folder, ansible, tell
        #: Of this pack's runs that change nothing, over the most clients.
        self.growth = 0.0
        self.profiles = {"keycloak": {"url": server.url, **ACCOUNT}}

    def warm(self) -> None:
        """Make and look at clients that nobody counts."""
        with self.server.realm("warming") as realm:
            script = self.script(realm)
            script.declare({name: representation(fields) for name, fields in declared(WARMING).items()})
            for _ in range(2):
                script.run(self.server.requests)

    def rows(self, count: int) -> Iterator[dict[str, Any]]:
        """The rows for a number of clients."""
        wanted, changed = declared(count), declared(count, changed=True)
        bare = [
            {name: representation(fields) for name, fields in clients.items()}
            for clients in (wanted, changed)
        ]
        with self._told(f"script-{count}") as realm:
            yield measured(self.script(realm), *bare, self.server.requests)[0]
        with self._told(f"pack-{count}") as realm:
            row, again = measured(self.salt(realm), wanted, changed, self.server.requests)
            self.growth = growth(again)
            yield row
            if count > MOST_OF_OTHERS:
                # They are there already, one of them as it was changed.
                yield measured(self.states(realm), changed, wanted, self.server.requests, 1, create=False)[0]
                return
        with self._told(f"states-{count}") as realm:
            yield measured(self.states(realm), wanted, changed, self.server.requests, 1)[0]
        with self._told(f"ansible-{count}") as realm:
            access = {
                "auth_keycloak_url": self.server.url,
                "auth_realm": "master",
                "auth_client_id": ACCOUNT["client_id"],
                "auth_client_secret": ACCOUNT["client_secret"],
                "realm": realm,
            }
            tool = Ansible(self.folder / realm, self.ansible, "keycloak_client", access, options, {})
            yield measured(tool, wanted, changed, self.server.requests, 1)[0]

    def creation_over_script(self, count: int) -> float:
        """How much longer making clients takes this pack than the script: medians of runs in turns."""
        seconds: dict[str, list[float]] = {Script.name: [], Salt.name: []}
        for number in range(processes.REPEATS):
            with self._told(f"script_again-{number + 1}") as realm:
                script = self.script(realm)
                script.declare({name: representation(fields) for name, fields in declared(count).items()})
                seconds[script.name].append(script.run(self.server.requests).seconds)
            with self._told(f"pack_again-{number + 1}") as realm:
                salt = self.salt(realm)
                salt.declare(declared(count))
                seconds[salt.name].append(salt.run(self.server.requests).seconds)
        return statistics.median(seconds[Salt.name]) / statistics.median(seconds[Script.name])

    def salt(self, realm: str) -> Salt:
        """This pack with a state over all clients of a realm."""
        return Salt(self.folder / realm, self.profiles, as_set(realm))

    def states(self, realm: str) -> AsStates:
        """This pack with a state for each client of a realm."""
        return AsStates(self.folder / f"{realm}-states", self.profiles, as_states(realm))

    def script(self, realm: str) -> Script:
        """The bare script for a realm."""
        return Script(
            self.folder / f"{realm}-script",
            "keycloak",
            {"url": self.server.url, "realm": realm, **ACCOUNT},
        )

    @contextlib.contextmanager
    def _told(self, realm: str) -> Iterator[str]:
        self.tell(realm.replace("-", ", "))
        with self.server.realm(realm):
            yield realm


#: What the figures are.
COLUMNS = {"runs": {**processes.COLUMNS, "count": "clients"}}
FIGURES = {
    "runs": "whole processes, from start to exit",
    "no_op_requests": "requests of a run that changes nothing, over the most clients",
    "no_op_s": "its seconds, median of three, s",
    "no_op_first_s": "the first of them, right after they were made: Keycloak's cache is cold, s",
    "faster_than_community_general": "community.general's seconds over those",
    "create_over_script": "making the most clients, over the bare script on four threads, medians of three",
    "memory_growth_mib": "memory that the third run that changes nothing needs more than the first, MiB",
}
#: Figure, what is wanted of it, and whether it is.
WANTED = (
    ("no_op_requests", "at most 12", lambda found: found["no_op_requests"] <= 12),
    ("no_op_s", "below 4.4", lambda found: found["no_op_s"] < 4.4),
    (
        "faster_than_community_general",
        "at least 100",
        lambda found: found["faster_than_community_general"] >= 100,
    ),
    ("create_over_script", "at most 1.5", lambda found: found["create_over_script"] <= 1.5),
    ("memory_growth_mib", "flat", lambda found: found["memory_growth_mib"] < 5),
)
