"""A directory and a FreeIPA double for a whole test session, on loopback addresses and free ports."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import json
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from salt_itstack.lab import directory, freeipa_server

HOST = "ipa1.it-stack.lab"
BASE = "dc=it-stack,dc=lab"
ADMIN_PASSWORD = "Adm1n-of-the-tests"
MANAGER_PASSWORD = "Manager-of-the-tests"
ADDRESS = "127.0.99.1"


@dataclass
class Reply:
    """One HTTP answer."""

    status: int
    headers: Any
    text: str

    @property
    def data(self) -> Any:
        return json.loads(self.text)


@dataclass
class Client:
    """Speaks to the double under its own name, whatever its address and port."""

    port: int
    authority: Path
    cookie: str = ""

    def request(
        self, verb: str, path: str, body: str | bytes | None = None, headers: dict[str, str] | None = None
    ) -> Reply:
        """One request on a connection of its own."""
        context = ssl.create_default_context(cafile=str(self.authority))
        raw = socket.create_connection((ADDRESS, self.port), timeout=60)
        connection = http.client.HTTPSConnection(HOST, self.port, context=context)
        connection.sock = context.wrap_socket(raw, server_hostname=HOST)
        sent = dict(headers or {})
        if self.cookie:
            sent["Cookie"] = self.cookie
        try:
            connection.request(verb, path, body, sent)
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    def login(self, user: str, password: str) -> Reply:
        """Log in, and keep the session if that succeeds."""
        self.cookie = ""
        form = urllib.parse.urlencode({"user": user, "password": password})
        reply = self.request("POST", "/ipa/session/login_password", form, {
            "Referer": f"https://{HOST}/ipa", "Accept": "text/plain",
            "Content-Type": "application/x-www-form-urlencoded",
        })  # fmt: skip
        if reply.status == 200:
            self.cookie = reply.headers["Set-Cookie"].partition(";")[0]
        return reply

    def send(self, body: Any) -> Reply:
        """A JSON-RPC request as it stands."""
        text = body if isinstance(body, str) else json.dumps(body)
        headers = {
            "Referer": f"https://{HOST}/ipa",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        return self.request("POST", "/ipa/session/json", text, headers)

    def call(self, method: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        """The ``result`` of a command that must succeed."""
        answer = self.attempt(method, *arguments, **options)
        assert answer["error"] is None, answer["error"]
        return answer["result"]

    def refused(self, method: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        """The ``error`` of a command that must fail."""
        answer = self.attempt(method, *arguments, **options)
        assert answer["error"] is not None, answer["result"]
        return answer["error"]

    def attempt(self, method: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        reply = self.send(
            {"method": method, "params": [list(arguments), {"version": "2.254", **options}], "id": 0}
        )
        assert reply.status == 200, (reply.status, reply.text)
        return reply.data


@dataclass
class Lab:
    """A running directory with its double."""

    root: Path
    ldap_port: int
    ldaps_port: int
    rpc_port: int
    authority: Path
    started_in: float = 0.0
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    programs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ldap_url(self) -> str:
        return f"ldap://{ADDRESS}:{self.ldap_port}"

    def client(self, user: str = "admin", password: str = ADMIN_PASSWORD) -> Client:
        made = Client(self.rpc_port, self.authority)
        reply = made.login(user, password)
        assert reply.status == 200, (user, reply.status, dict(reply.headers))
        return made

    def stop_directory(self) -> None:
        self.processes[0].terminate()
        self.processes[0].wait(timeout=30)

    def start_directory(self) -> None:
        self.processes[0] = _launch(self.root, self.programs[0])
        _await(self, self.ldap_port)

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
        for process in reversed(self.processes):
            process.wait(timeout=30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return probe.getsockname()[1]


def make_certificates(folder: Path) -> directory.Certificate:
    """An authority, and a certificate for the server's name and address, as PEM files."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.datetime.now(datetime.UTC)

    def build(name: str, key: Any, issuer: Any, signer: Any, authority: bool) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([x509.DNSName(HOST)])
        builder = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(issuer or subject)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )  # fmt: skip
        return (builder if authority else builder.add_extension(names, False)).sign(signer, hashes.SHA256())

    own, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = build("tests", own, None, own, True)
    leaf = build(HOST, server, root.subject, own, False)
    paths = directory.Certificate(*(folder / name for name in ("server.pem", "server.key", "authority.pem")))
    pem = serialization.Encoding.PEM
    paths.certificate.write_bytes(leaf.public_bytes(pem))
    paths.authority.write_bytes(root.public_bytes(pem))
    paths.key.write_bytes(
        server.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def start(root: Path) -> Lab:
    """Install a server below a folder, and start it. Not as root where that can be helped."""
    files = make_certificates(root)
    lab = Lab(root, free_port(), free_port(), free_port(), files.authority)
    user = "dirsrv" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    # A semaphore's name comes from the instance's folder, so no other run may have one of the same name.
    programs = freeipa_server.install(
        root=str(root), address=ADDRESS, host=HOST, domain="it-stack.lab", realm="IT-STACK.LAB",
        certificate=files,
        admin_password=ADMIN_PASSWORD, manager_password=MANAGER_PASSWORD, user=user,
        instance=f"slapd-test-{os.getpid()}-{lab.ldap_port}", ldap_port=lab.ldap_port,
        ldaps_port=lab.ldaps_port,
        rpc_port=lab.rpc_port,
    )  # fmt: skip
    begun = time.monotonic()
    for program in programs:
        lab.processes.append(_launch(root, program))
    lab.programs = programs
    try:
        for port in (lab.ldap_port, lab.ldaps_port, lab.rpc_port):
            _await(lab, port)
    except BaseException:
        lab.stop()
        raise
    lab.started_in = time.monotonic() - begun
    return lab


def _launch(root: Path, program: dict[str, Any]) -> subprocess.Popen[bytes]:
    user = program["user"]
    options: dict[str, Any] = {}
    if os.geteuid() == 0:
        options = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
    with (root / f"{program['name']}.log").open("ab") as log:
        return subprocess.Popen(
            program["command"], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd="/",
            env={**os.environ, "PYTHONPATH": str(Path(directory.__file__).parents[2])}, **options,
        )  # fmt: skip


def _await(lab: Lab, port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection((ADDRESS, port), timeout=1):
            return
        for process in lab.processes:
            assert process.poll() is None, "\n".join(
                path.read_text()[-2000:] for path in lab.root.glob("*.log")
            )
        time.sleep(0.02)
    raise AssertionError(f"nothing listens on port {port} after 30 s")


def need_directory() -> None:
    """Fail where the program of the directory is missing."""
    if not shutil.which("ns-slapd", path=os.environ.get("PATH", "") + ":/usr/sbin"):
        pytest.fail(
            "ns-slapd isn't installed, and these tests need the real directory: apt-get install 389-ds-base"
        )


@contextlib.contextmanager
def running() -> Iterator[Lab]:
    """A started server in a folder of its own, gone afterwards."""
    need_directory()
    root = Path(tempfile.mkdtemp(prefix="itstack-freeipa-", dir="/var/tmp"))
    root.chmod(0o755)
    try:
        lab = start(root)
        try:
            yield lab
        finally:
            lab.stop()
    finally:
        shutil.rmtree(root)


@pytest.fixture(scope="session")
def freeipa() -> Iterator[Lab]:
    """One directory and double for all tests of a session that don't mind each other's entries."""
    with running() as lab:
        yield lab
