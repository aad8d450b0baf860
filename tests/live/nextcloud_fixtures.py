"""Real PostgreSQL and Redis servers for the tests of the Nextcloud double, as unprivileged users in
temporary folders."""

import contextlib
import glob
import os
import pathlib
import pwd
import random
import shutil
import socket
import subprocess
import tempfile
import time

import psycopg
import redis
import redis.backoff
import redis.retry

SUPERUSER = "postgres"


def free_port(first=15000, last=32000):
    """A TCP port of 127.0.0.1 that nobody listens on.

    It lies below the range for outgoing connections, so that none of those takes it while its server is
    stopped.
    """
    while True:
        port = random.randrange(first, last)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def unprivileged():
    """The words in front of a command that shall not run as root, and the owner for its folder."""
    if os.getuid() != 0:
        return [], None
    entry = pwd.getpwnam("nobody")
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"], entry


@contextlib.contextmanager
def open_folder():
    """A temporary folder that the unprivileged user may enter, as those of pytest may not."""
    path = tempfile.mkdtemp(prefix="nextcloud-double-")
    os.chmod(path, 0o755)
    try:
        yield pathlib.Path(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def hand_over(path):
    """Give a file or folder to the unprivileged user."""
    _, entry = unprivileged()
    if entry is not None:
        shutil.chown(path, entry.pw_uid, entry.pw_gid)


def wait_for(ready, what, seconds=30):
    """Wait until ``ready()`` is true; ``what`` names it in the failure."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, f"{what} isn't ready after {seconds} s"
        time.sleep(0.05)


class Postgresql:
    """One PostgreSQL server on a free port with password logins."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.port = free_port()
        self.password = "superuser password of the tests"
        self.process = None
        self.bin = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        prefix, _ = unprivileged()
        hand_over(self.folder)
        secret = os.path.join(self.folder, "secret")
        with open(secret, "w", encoding="utf-8") as file:
            file.write(self.password)
        hand_over(secret)
        subprocess.run(
            [
                *prefix,
                f"{self.bin}/initdb",
                "-D",
                f"{self.folder}/data",
                "-U",
                SUPERUSER,
                "--pwfile",
                secret,
                "--auth=scram-sha-256",
                "--no-sync",
                "--locale=C.UTF-8",
                "-E",
                "UTF8",
            ],
            check=True,
            capture_output=True,
            cwd=self.folder,
        )
        self.start()

    def start(self):
        """Start the server and wait for it."""
        prefix, _ = unprivileged()
        self.process = subprocess.Popen(
            [
                *prefix,
                f"{self.bin}/postgres",
                "-D",
                f"{self.folder}/data",
                "-h",
                "127.0.0.1",
                "-p",
                str(self.port),
                "-k",
                self.folder,
                "-c",
                "fsync=off",
                "-c",
                "shared_buffers=16MB",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
        )
        wait_for(self._ready, "PostgreSQL")

    def _ready(self):
        assert self.process.poll() is None, "PostgreSQL ended"
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self):
        """Stop the server."""
        self.process.terminate()
        self.process.wait(30)

    def connect(self, database="postgres"):
        """A superuser's autocommit connection."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            dbname=database,
            user=SUPERUSER,
            password=self.password,
            autocommit=True,
        )

    def run(self, statement, database="postgres"):
        """Run a statement as superuser. Returns its rows."""
        with contextlib.closing(self.connect(database)) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


class RedisServer:
    """One Redis server on a free port, at first without a password."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.port = free_port()
        self.process = None
        hand_over(self.folder)
        self.start()

    def start(self, *options):
        """Start the server with further words of its command line."""
        prefix, _ = unprivileged()
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(
                [
                    *prefix,
                    "redis-server",
                    "--port",
                    str(self.port),
                    "--bind",
                    "127.0.0.1",
                    "--save",
                    "",
                    "--dir",
                    self.folder,
                    *options,
                ],
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        wait_for(self._ready, "Redis")

    def _ready(self):
        assert self.process.poll() is None, "Redis ended"
        try:
            self.client().ping()
        except redis.AuthenticationError:
            return True
        except redis.ConnectionError:
            return False
        return True

    def client(self, **options):
        """A client."""
        return redis.Redis(
            host="127.0.0.1", port=self.port, retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0), **options
        )

    def stop(self):
        """Stop the server."""
        self.process.terminate()
        self.process.wait(30)
