"""What the tests of the core share: a scripted web server, keys, and a Salt master's configuration."""

import contextlib
import http.server
import ipaddress
import json
import pathlib
import ssl
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import salt.config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from salt_itstack.secrets import store
from salt_itstack.secrets.store import Store
from salt_itstack.stack import load


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    query: dict
    headers: dict
    body: bytes


@dataclass
class Reply:
    """What the server answers next; ``hang_up`` closes the connection after reading, without an answer."""

    status: int = 200
    body: object = None
    headers: dict = field(default_factory=dict)
    delay: float = 0.0
    hang_up: bool = False


class Web:
    """A real HTTP server on a free port, whose answers a test scripts; the last one is repeated."""

    def __init__(self, port=0, certificate=None):
        self.replies = [Reply()]
        self.seen = []
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = urlsplit(self.path)
                query = {key: values[0] for key, values in parse_qs(parts.query).items()}
                web.seen.append(Seen(self.command, parts.path, query, dict(self.headers), body))
                reply = web.replies.pop(0) if len(web.replies) > 1 else web.replies[0]
                reply = reply(web.seen[-1]) if callable(reply) else reply
                time.sleep(reply.delay)
                if reply.hang_up:
                    self.close_connection = True
                    return
                text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
                content = b"" if reply.body is None else text.encode()
                with contextlib.suppress(OSError):
                    self.send_response(reply.status)
                    for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *args: None
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def script(self, *replies):
        self.replies = list(replies)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def web():
    server = Web()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A file with a self-signed certificate for 127.0.0.1 and its key."""
    key = private_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("certificate") / "server.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private_pem(key))
    return path


def private_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def public_pem(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@dataclass
class Master:
    """A master's configuration in a folder of its own, with the keys of its minions; nothing runs."""

    folder: pathlib.Path
    keys: dict
    opts: dict

    @property
    def store(self):
        return Store.of(self.opts)

    def accept(self, minion, key=None, folder="minions"):
        """Have the key of a minion lie among the accepted ones, or in another folder of Salt's."""
        place = self.folder / "pki" / folder
        place.mkdir(parents=True, exist_ok=True)
        (place / minion).write_bytes(public_pem(key or self.keys[minion]))


@pytest.fixture(scope="session")
def minion_keys():
    """An RSA key by minion id, for the default servers."""
    return {server.minion: private_key() for server in load().servers.values()}


@pytest.fixture
def master(tmp_path, minion_keys):
    """A master with the default map, a sandbox person, and all its minions accepted."""
    folder = tmp_path / "master"
    (folder / "itstack.d").mkdir(parents=True)
    (folder / "itstack.d" / "map.yaml").write_text("sandbox: {person: sandbox-visitor, group: sandbox}\n")
    configuration = folder / "master"
    configuration.write_text(
        json.dumps(
            {
                "root_dir": str(folder),
                "pki_dir": str(folder / "pki"),
                "cachedir": str(folder / "cache"),
                "sock_dir": str(folder / "sock"),
                "itstack": {"driver": "itstack"},
                "ext_pillar": [{"itstack": {}}],
                "master_tops": {"itstack": True},
                "pillar_roots": {"base": [str(folder / "no-pillar")]},
                "file_roots": {"base": [str(folder / "no-states")]},
                "pillar_cache": False,
            }
        )
    )
    store._read.clear()
    result = Master(folder, minion_keys, salt.config.master_config(str(configuration)))
    for minion in minion_keys:
        result.accept(minion)
    return result
