"""
Real database servers for the tests: started once, unprivileged, in folders of their own.

Imported by the tests before pytest loads it as a plug-in, hence: PYTEST_DONT_REWRITE.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest
from salt_loader import load

#: Debian's client authentication, as a new cluster has it.
HBA = """\
# Database administrative login by Unix domain socket
local   all             postgres                                peer

# TYPE  DATABASE        USER            ADDRESS                 METHOD

local   all             all                                     peer
host    all             all             127.0.0.1/32            scram-sha-256
host    all             all             ::1/128                 scram-sha-256
local   replication     all                                     peer
"""
#: Of the servers' own administrators; never to be found in a log.
ADMIN_PASSWORD = "Canary-of-the-administrator-41"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition, what, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} didn't happen within {seconds} s"
        time.sleep(0.02)


def unprivileged(*command):
    if os.geteuid() != 0:
        pytest.fail("the servers are started as other users: run these tests as root")
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *map(str, command)]


def folder(prefix):
    # The tests' temporary folder is closed to everybody but root.
    path = pathlib.Path(tempfile.mkdtemp(prefix=prefix))
    shutil.chown(path, "postgres", "postgres")
    path.chmod(0o755)
    return path


def stop(process, with_signal=signal.SIGTERM):
    process.send_signal(with_signal)
    process.wait(timeout=20)


class PostgreSQLServer:
    """A cluster as Debian makes it: peer on the socket, SCRAM on TCP; its log holds every statement."""

    def __init__(self):
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found:
            pytest.fail("there is no PostgreSQL server here: apt-get install postgresql")
        self.programs = found[-1].parent
        self.folder = folder("itstack-postgresql-")
        self.port = free_port()
        self.hba = self.folder / "data" / "pg_hba.conf"
        self.log = self.folder / "log"
        self.process = None
        subprocess.run(
            unprivileged(
                self.programs / "initdb", "-D", self.folder / "data", "-U", "postgres", "--no-sync",
                "--encoding=UTF8", "--locale=C.UTF-8", "--auth-local=peer", "--auth-host=scram-sha-256",
            ),
            check=True, capture_output=True,
        )  # fmt: skip
        self.hba.write_text(HBA)
        self.start()

    @property
    def profile(self):
        return {
            "host": str(self.folder),
            "port": self.port,
            "user": "postgres",
            "database": "postgres",
            "os_user": "postgres",
        }

    def start(self):
        command = unprivileged(
            self.programs / "postgres", "-D", self.folder / "data", "-k", self.folder, "-p", self.port,
            "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "log_statement=all",
            "-c", "log_connections=on", "-c", "shared_buffers=16MB",
        )  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        until(lambda: self.sql("SELECT 1", check=False) == "1", "the start of PostgreSQL")

    def stop(self):
        stop(self.process, signal.SIGINT)

    def sql(self, statement, database="postgres", user="postgres", password=None, check=True):
        """What psql prints: an answer that doesn't come through what is tested."""
        host = str(self.folder) if password is None else "127.0.0.1"
        done = subprocess.run(
            unprivileged(
                "env", f"PGPASSWORD={password or ''}", self.programs / "psql",
                "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", host, "-p", self.port, "-U", user, "-d", database,
                "-c", statement,
            ),
            capture_output=True, text=True,
        )  # fmt: skip
        if check:
            assert done.returncode == 0, done.stderr
        return done.stdout.strip() if done.returncode == 0 else done.stderr.strip()

    def remove(self):
        with contextlib.suppress(ProcessLookupError):
            self.stop()
        shutil.rmtree(self.folder)


class RedisServer:
    """A server with an ACL file; ``default`` is off, and the administrator is ``salt-itstack``."""

    def __init__(self, aclfile=True):
        if not shutil.which("redis-server"):
            pytest.fail("there is no Redis server here: apt-get install redis-server")
        self.folder = folder("itstack-redis-")
        self.port = free_port()
        self.log = self.folder / "log"
        self.acl = self.folder / "acl" / "users.acl"
        self.acl.parent.mkdir()
        users = f"user default off\nuser salt-itstack on >{ADMIN_PASSWORD} ~* &* +@all\n"
        self.acl.write_text(users)
        for path in (self.acl, self.acl.parent):
            shutil.chown(path, "postgres", "postgres")
        settings = f'bind 127.0.0.1\nport {self.port}\ndir {self.folder}\nsave ""\nloglevel debug\n'
        if aclfile:
            settings += f"aclfile {self.acl}\n"
        else:
            settings += users
        (self.folder / "redis.conf").write_text(settings)
        self.process = None
        self.start()

    @property
    def profile(self):
        return {"host": "127.0.0.1", "port": self.port, "user": "salt-itstack", "password": ADMIN_PASSWORD}

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                unprivileged("redis-server", self.folder / "redis.conf"), stdout=log, stderr=log
            )
        until(lambda: self.cli("PING") == "PONG", "the start of Redis")

    def stop(self):
        stop(self.process)

    def cli(self, *words, user="salt-itstack", password=ADMIN_PASSWORD):
        """What redis-cli prints: an answer that doesn't come through what is tested."""
        done = subprocess.run(
            ["redis-cli", "-h", "127.0.0.1", "-p", str(self.port), "--user", user, *words],
            capture_output=True, text=True, env={**os.environ, "REDISCLI_AUTH": password},
        )  # fmt: skip
        return (done.stdout or done.stderr).strip()

    def remove(self):
        with contextlib.suppress(ProcessLookupError):
            self.stop()
        shutil.rmtree(self.folder)


@pytest.fixture(scope="session")
def postgresql_server():
    server = PostgreSQLServer()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def redis_server():
    server = RedisServer()
    yield server
    server.remove()


@pytest.fixture
def stopped_port():
    """A port of 127.0.0.1 on which nothing answers."""
    return free_port()


@contextlib.contextmanager
def impostor(answer):
    """A server on a free port that hands its first connection to a function."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with contextlib.suppress(OSError), listener.accept()[0] as connection:
                answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
    thread.join(timeout=10)


class Salt:
    """
    States and execution functions of one service through Salt's own loader; each call is a run.

    options
        Of the minion, such as the folders that it keeps fingerprints of secrets in.
    """

    def __init__(self, service, profile, options=None, **tree):
        self.service = service
        self.options = options or {}
        self.pillar = {"itstack": {"profiles": {service: profile}, **tree}}

    def state(self, function, name, test=False, **arguments):
        _, states = load({**self.options, "test": test}, self.pillar)
        return states[f"itstack_{self.service}.{function}"](name=name, **arguments)

    def call(self, function, *arguments, **keywords):
        modules, _ = load(self.options, self.pillar)
        return modules[f"itstack_{self.service}.{function}"](*arguments, **keywords)


def assert_converges(salt, function, name, **arguments):
    """The dry run's prediction is what the first run changes; the second changes nothing."""
    predicted = salt.state(function, name, test=True, **arguments)
    assert predicted["result"] is None, predicted
    first = salt.state(function, name, **arguments)
    assert first["result"] is True, first
    assert first["changes"] and first["changes"] == predicted["changes"]
    second = salt.state(function, name, **arguments)
    assert (second["result"], second["changes"]) == (True, {}), second
    assert salt.state(function, name, test=True, **arguments)["result"] is True
    return first["changes"]
