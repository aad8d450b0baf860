"""
A real Keycloak of two versions, one after the other, and a real directory for them, not as root.

Keycloak's zips come from the lab's cache, into which they are downloaded where they lack.

Imported by the tests before pytest loads it as a plug-in, hence: PYTEST_DONT_REWRITE.
"""

import base64
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import zipfile

import pytest
import requests
from database_fixtures import Salt, free_port, until

from salt_itstack.lab import packages
from salt_itstack.lab.progress import Progress
from salt_itstack.lab.settings import DEFAULT_NETWORK, choose

VERSIONS = (packages.KEYCLOAK_VERSION, packages.OLDER_KEYCLOAK_VERSION)
#: For tests of what isn't a matter of the server's version, such as what is on the way to it.
ONE_VERSION = pytest.mark.parametrize("keycloak_server", VERSIONS[:1], indirect=True)

BOOTSTRAP = {"client_id": "temporary", "client_secret": "Canary-of-the-temporary-account-3"}
ACCOUNT = {"client_id": "salt-itstack", "client_secret": "Canary-of-our-account-5"}

BASE = "dc=it-stack,dc=lab"
BIND_DN = f"uid=keycloak,cn=sysaccounts,cn=etc,{BASE}"
PEOPLE = f"cn=users,cn=accounts,{BASE}"
GROUPS = f"cn=groups,cn=accounts,{BASE}"
BIND_PASSWORD = "Canary-of-the-bind-account-7"
PERSON_PASSWORD = "Canary-of-a-person-9"


def unprivileged(user, *command):
    if os.geteuid() != 0:
        return [str(word) for word in command]
    group = {"nobody": "nogroup"}.get(user, user)
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *map(str, command)]


def distribution(version):
    found = packages.keycloak(choose(DEFAULT_NETWORK, None, None), Progress(), version)
    if not found:
        pytest.fail(f"there is no Keycloak {version} here: see above. Remedy: ./lab test, without more")
    return found[0]


class KeycloakServer:
    """The real server in development mode: an embedded database, plain http, health on a port of its own."""

    def __init__(self, version=VERSIONS[0]):
        self.version = version
        if not shutil.which("java"):
            pytest.fail("there is no Java here: apt-get install openjdk-17-jre-headless")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="itstack-keycloak-"))
        self.folder.chmod(0o755)
        with zipfile.ZipFile(distribution(version)) as archive:
            archive.extractall(self.folder)
        self.home = next(self.folder.glob("keycloak-*"))
        (self.home / "bin" / "kc.sh").chmod(0o755)
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "nobody:", str(self.folder)], check=True)
        self.port, self.management = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = self.folder / "log"
        self.process = None
        self.start()

    def start(self):
        settings = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx256m",
            "JAVA_OPTS_APPEND": "-XX:-UseG1GC -XX:+UseSerialGC",
            "KC_BOOTSTRAP_ADMIN_CLIENT_ID": BOOTSTRAP["client_id"],
            "KC_BOOTSTRAP_ADMIN_CLIENT_SECRET": BOOTSTRAP["client_secret"],
        }
        command = unprivileged(
            "nobody", self.home / "bin" / "kc.sh", "start-dev", "--http-host=127.0.0.1",
            f"--http-port={self.port}", f"--http-management-port={self.management}",
            "--health-enabled=true", "--metrics-enabled=true",
        )  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=settings, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        until(self._is_ready, "the start of Keycloak", 300)

    def _is_ready(self):
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        time.sleep(0.5)
        with contextlib.suppress(requests.RequestException):
            health = f"http://127.0.0.1:{self.management}/health/ready"
            return requests.get(health, timeout=2).status_code == 200
        return False

    @property
    def profile(self):
        return {"url": self.url, **ACCOUNT}

    @property
    def facts(self):
        return {
            "service": "keycloak",
            "address": "127.0.0.1",
            "fqdn": "localhost",
            "url": self.url,
            "ports": {"management": self.management},
            "ca_file": None,
        }

    def ask(self, method, path, **request):
        """An answer of the admin API that doesn't come through what is tested."""
        grant = {"grant_type": "client_credentials", **ACCOUNT}
        token = requests.post(
            f"{self.url}/realms/master/protocol/openid-connect/token", data=grant, timeout=10
        ).json()["access_token"]
        answer = requests.request(
            method,
            f"{self.url}/admin{path}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            **request,
        )
        assert answer.status_code < 300, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def client(self, realm, client_id):
        rows = self.ask("GET", f"/realms/{realm}/clients", params={"clientId": client_id})
        return rows[0] if rows else None

    def change_client(self, realm, client_id, **change):
        """A person changes a client in the console."""
        self.ask("PUT", f"/realms/{realm}/clients/{self.client(realm, client_id)['id']}", json=change)

    def grant(self, realm, client_id, secret, kind, **words):
        """What the server answers a client that asks for tokens."""
        form = {"grant_type": kind, "client_id": client_id, "client_secret": secret, **words}
        place = f"{self.url}/realms/{realm}/protocol/openid-connect/token"
        return requests.post(place, data=form, timeout=10).json()

    def claims(self, realm, client_id, secret, person, password):
        """The claims of the access token that a person gets."""
        answer = self.grant(
            realm, client_id, secret, "password", username=person, password=password, scope="openid"
        )
        assert "access_token" in answer, answer
        payload = answer["access_token"].split(".")[1]
        return json.loads(base64.urlsafe_b64decode(payload + "=="))

    def kill(self):
        """End it as a loss of power would; ``start`` brings it back."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)

    def remove(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
        shutil.rmtree(self.folder)


class Directory:
    """389 Directory Server with FreeIPA's schema and tree, two people, and the account that binds."""

    def __init__(self):
        from salt_itstack.lab import directory
        from salt_itstack.lab.doubles.freeipa import schema, tree

        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="itstack-directory-"))
        self.folder.chmod(0o755)
        self.port = free_port()
        self.url = f"ldap://127.0.0.1:{self.port}"
        self.password = "Canary-of-the-directory-manager-11"
        self._server = directory.Instance(
            folder=self.folder / f"slapd-{self.port}",
            suffix=BASE,
            address="127.0.0.1",
            host="localhost",
            manager_hash=directory.hash_password(self.password),
            port=self.port,
            schema=schema.lines(),
            plugins=tree.plugins(BASE),
            extra_configuration=tree.configuration(BASE),
        )
        directory.lay_out(self._server, tree.entries(BASE, "IT-STACK.LAB", "it-stack.lab", self.password))
        self._command = directory.command(self._server)
        self.process = None
        self.start()
        self._fill()

    def start(self):
        self.process = subprocess.Popen(
            unprivileged(self._server.user, *self._command),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self._answers, "the start of the directory")

    def _answers(self):
        assert self.process.poll() is None
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=20)

    def connect(self):
        import ldap

        connection = ldap.initialize(self.url)
        connection.simple_bind_s("cn=Directory Manager", self.password)
        return connection

    def set_password(self, dn, password):
        import ldap

        self.connect().modify_s(dn, [(ldap.MOD_REPLACE, "userPassword", [password.encode()])])

    def add_person(self, uid, first, last, identifier=""):
        # What isn't a POSIX account may be read by nobody but administrators.
        classes = [
            "top", "person", "organizationalperson", "inetorgperson", "inetuser", "posixaccount", "ipaobject",
        ]  # fmt: skip
        self._add(
            f"uid={uid},{PEOPLE}",
            objectClass=classes, uid=uid, cn=f"{first} {last}", givenName=first, sn=last,
            mail=f"{uid}@it-stack.lab", uidNumber="-1", gidNumber="-1", homeDirectory=f"/home/{uid}",
            ipaUniqueID=identifier or f"person-{uid}", userPassword=PERSON_PASSWORD,
        )  # fmt: skip

    def set(self, dn, attribute, *values):
        """Give an entry these values of an attribute, or none."""
        import ldap

        words = [value.encode() for value in values]
        self.connect().modify_s(dn, [(ldap.MOD_REPLACE, attribute, words or None)])

    def add_group(self, name, *people):
        self._add(
            f"cn={name},{GROUPS}",
            objectClass=["top", "groupofnames", "nestedgroup", "ipausergroup", "ipaobject"],
            cn=name,
            ipaUniqueID=f"group-{name}",
            member=[f"uid={person},{PEOPLE}" for person in people],
        )

    def _fill(self):
        self._add(
            BIND_DN,
            objectClass=["account", "simplesecurityobject"],
            uid="keycloak",
            userPassword=BIND_PASSWORD,
        )
        self.add_person("jdoe", "Jane", "Doe")
        self.add_person("rroe", "Richard", "Roe")
        self.add_group("users", "jdoe", "rroe")
        self.add_group("admin", "jdoe")

    def _add(self, dn, **attributes):
        lists = {
            name: [item.encode() for item in ([value] if isinstance(value, str) else value)]
            for name, value in attributes.items()
        }
        self.connect().add_s(dn, list(lists.items()))

    def remove(self):
        with contextlib.suppress(ProcessLookupError):
            self.stop()
        shutil.rmtree(self.folder)


class Gate:
    """
    A way to a server that can be shut: connections are then refused, and open ones break.

    delay
        Seconds that each answer of the server is held back.
    """

    def __init__(self, port, delay=0.0):
        self._target = port
        self.delay = delay
        self._open = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                inner, _ = self._listener.accept()
                outer = socket.create_connection(("127.0.0.1", self._target))
                self._open += [inner, outer]
                for source, target, answers in ((inner, outer, False), (outer, inner, True)):
                    words = (source, target, answers)
                    threading.Thread(target=self._pass, args=words, daemon=True).start()

    def _pass(self, source, target, answers):
        with contextlib.suppress(OSError):
            while block := source.recv(65536):
                if answers:
                    time.sleep(self.delay)
                target.sendall(block)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def shut(self):
        # close() alone doesn't wake the thread that waits in accept().
        for each in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@pytest.fixture(scope="session", params=VERSIONS)
def keycloak_server(request):
    server = KeycloakServer(request.param)
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def keycloak_account(keycloak_server):
    """The server with our permanent account; what made it is in the first test of the account."""
    salt = Salt("keycloak", keycloak_server.profile)
    made = {
        "predicted": salt.state("account_present", "account", test=True, bootstrap=BOOTSTRAP),
        "first": salt.state("account_present", "account", bootstrap=BOOTSTRAP),
    }
    assert made["first"]["result"] is True, made["first"]
    keycloak_server.making_of_the_account = made
    return keycloak_server


@pytest.fixture(scope="session")
def keycloak_directory():
    server = Directory()
    try:
        yield server
    finally:
        server.remove()


def remembering(folder):
    """Options of a minion that keeps fingerprints of secrets in a folder."""
    return {"cachedir": str(folder), "pki_dir": str(folder)}


@pytest.fixture(scope="module")
def keycloak_minion(tmp_path_factory):
    """One minion's options for all tests of a module."""
    return remembering(tmp_path_factory.mktemp("minion"))


@pytest.fixture
def sent(monkeypatch):
    """The requests that really leave, as ``GET /path``, without those for tokens."""
    requests_sent = []
    original = requests.adapters.HTTPAdapter.send

    def send(adapter, request, **options):
        path = request.path_url.split("?")[0]
        if not path.endswith("/token"):
            requests_sent.append(f"{request.method} {path}")
        return original(adapter, request, **options)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    return requests_sent
