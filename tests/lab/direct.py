"""The servers' own interfaces, as an administrator uses them by hand: past everything of ours."""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
from fleet import Fleet, wait_for

from salt_itstack.lab.specifications import NEXTCLOUD_ROOT
from salt_itstack.services.freeipa.api import FreeIPA

REALM = "it-stack"
DATABASE_SERVER, IDENTITY_SERVER, APPLICATION_SERVER = "lab-db1", "lab-id1", "lab-app1"
PROXY_SERVER = "lab-proxy1"
ROUTES = "/etc/traefik/dynamic"
_SECRET = """
import sys, salt.config
from salt_itstack.secrets.store import Store
print(Store.of(salt.config.master_config("/etc/salt/master")).get(sys.argv[1]), end="")
"""


class Direct:
    """
    Administrative access to a lab's servers.

    fleet
        The lab.
    """

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.authority = str(fleet.lab.state / "ca" / "ca.crt")
        self._secrets: dict[str, str] = {}

    def secret(self, identifier: str) -> str:
        """A secret as the master's store had it when it was asked for first."""
        if identifier not in self._secrets:
            self._secrets[identifier] = self.stored(identifier)
        return self._secrets[identifier]

    def stored(self, identifier: str) -> str:
        """A secret as the master's store has it now."""
        done = self.fleet.inside("lab-master", sys.executable, "-c", _SECRET, identifier)
        assert done.returncode == 0 and done.stdout, done.stderr
        return done.stdout

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run SQL as the server's superuser; the rows as psql prints them."""
        words = ("runuser", "-u", "postgres", "--", "psql", "-v", "ON_ERROR_STOP=1", "-qAtX", "-d", database)
        done = self.fleet.inside(DATABASE_SERVER, *words, stdin=statement)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def redis(self, *words: str) -> str:
        """Run a Redis command as the administrator."""
        address = self.fleet.lab.servers[DATABASE_SERVER].address
        command = ("redis-cli", "-h", address, "--user", "salt-itstack", "--no-auth-warning", *words)
        environment = f"REDISCLI_AUTH={self.secret('redis-admin')}"
        done = self.fleet.inside(DATABASE_SERVER, "env", environment, *command)
        assert done.returncode == 0 and "ERR" not in done.stdout, done.stdout + done.stderr
        return done.stdout.strip()

    def occ(self, *words: str) -> str:
        """Run occ as the web server's user."""
        command = ("runuser", "-u", "www-data", "--", f"{NEXTCLOUD_ROOT}/occ", "--no-interaction", *words)
        done = self.fleet.inside(APPLICATION_SERVER, *command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def ipa(self, method: str, name: str, **options: Any) -> dict[str, Any]:
        """Call FreeIPA's JSON-RPC as its administrator."""
        server = FreeIPA(
            self.fleet.lab.public_fqdn("freeipa"),
            "admin",
            self.secret("freeipa-admin"),
            ca=self.authority,
            address=self.fleet.lab.servers[IDENTITY_SERVER].address,
        )
        return server.call(method, [name], options)

    def keycloak(self, method: str, path: str, body: Any = None) -> Any:
        """
        Send a request to Keycloak's admin API.

        path
            Below the realm.

        Returns the answer's JSON, ``None`` where it has none.
        """
        name = self.fleet.lab.public_fqdn("keycloak")
        pool = urllib3.HTTPSConnectionPool(
            self.fleet.lab.servers[IDENTITY_SERVER].address,
            8443,
            ca_certs=self.authority,
            server_hostname=name,
            assert_hostname=name,
            headers={"Host": f"{name}:8443"},
            timeout=30,
            retries=False,
        )
        grant = {"grant_type": "client_credentials", "client_id": "salt-itstack"}
        grant["client_secret"] = self.secret("keycloak-admin")
        with pool:
            answer = pool.request(
                "POST",
                "/realms/master/protocol/openid-connect/token",
                body=urlencode(grant),
                headers={**pool.headers, "Content-Type": "application/x-www-form-urlencoded"},
            )
            assert answer.status == 200, answer.data
            headers = {**pool.headers, "Authorization": f"Bearer {answer.json()['access_token']}"}
            answer = pool.request(
                method,
                f"/admin/realms/{REALM}{path}",
                headers={**headers, "Content-Type": "application/json"},
                body=None if body is None else json.dumps(body),
            )
            assert answer.status < 300, f"{method} {path}: {answer.status} {answer.data!r}"
            return json.loads(answer.data) if answer.data else None

    def client(self, client_id: str) -> dict[str, Any]:
        """The one client of that id in the realm."""
        (found,) = self.keycloak("GET", f"/clients?clientId={quote(client_id)}")
        return dict(found)

    def federations(self) -> list[dict[str, Any]]:
        """All federations of the realm."""
        query = urlencode({"type": "org.keycloak.storage.UserStorageProvider"})
        return list(self.keycloak("GET", f"/components?{query}"))

    def groups(self, parent: str = "") -> list[str]:
        """Paths of the realm's groups, those below a group of this id, or all."""
        path = f"/groups/{parent}/children" if parent else "/groups"
        found = []
        for group in self.keycloak("GET", f"{path}?briefRepresentation=true&max=1000"):
            found += [group["path"], *self.groups(group["id"])]
        return found

    def mattermost(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request to Mattermost's API as the administrator; the answer's JSON."""
        pool = urllib3.HTTPConnectionPool(
            self.fleet.lab.servers[APPLICATION_SERVER].address, 8065, timeout=30, retries=False
        )
        account = {"login_id": "salt-itstack", "password": self.secret("mattermost-admin")}
        with pool:
            session = pool.request("POST", "/api/v4/users/login", body=json.dumps(account))
            assert session.status == 200, session.data
            answer = pool.request(
                method,
                f"/api/v4{path}",
                headers={"Authorization": f"Bearer {session.headers['Token']}"},
                body=None if body is None else json.dumps(body),
            )
        assert answer.status < 300, f"{method} {path}: {answer.status} {answer.data!r}"
        return json.loads(answer.data)

    def messages(self, channel: str) -> list[str]:
        """What was said last in a channel of Mattermost."""
        team = self.mattermost("GET", "/teams/name/it-stack")["id"]
        place = self.mattermost("GET", f"/teams/{team}/channels/name/{channel}")["id"]
        posts = self.mattermost("GET", f"/channels/{place}/posts?per_page=200")
        return [posts["posts"][identifier]["message"] for identifier in posts["order"]]

    def delete_hooks(self) -> None:
        """Delete all of Mattermost's incoming hooks."""
        hooks = self.mattermost("GET", "/hooks/incoming?per_page=200")
        assert hooks, "there is none"
        for hook in hooks:
            self.mattermost("DELETE", f"/hooks/incoming/{hook['id']}")

    def edit_route(self, router: str, before: str, after: str) -> None:
        """Replace a text in the document of a route."""
        self.fleet.shell(PROXY_SERVER, f"sed -i 's|{before}|{after}|' {ROUTES}/itstack-{router}.yml")
        assert after in self.fleet.shell(PROXY_SERVER, f"cat {ROUTES}/itstack-{router}.yml")

    def await_loaded(self, text: str) -> None:
        """Wait until the running Traefik says that it has loaded something with this text (JSON)."""
        address = self.fleet.lab.servers[PROXY_SERVER].address
        everything = f"http://{address}:8080/api/rawdata"
        wait_for(lambda: text in urllib3.request("GET", everything).data.decode(), f"Traefik has {text}")

    def people(self) -> str:
        """Who Keycloak has imported, as its database says: also while the directory is down."""
        return self.sql(
            "SELECT u.username, (SELECT count(*) FROM user_group_membership m WHERE m.user_id = u.id) "
            "FROM user_entity u WHERE u.federation_link IS NOT NULL ORDER BY 1",
            "keycloak",
        )
