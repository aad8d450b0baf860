"""Talk to a lab's keeper, and to the supervisors of its servers."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
import xmlrpc.client
from pathlib import Path

from .errors import LabError, tail
from .settings import Lab

SUPERVISOR_SOCKET = "/run/itstack-lab/supervisor.sock"


class Keeper:
    """A connection to the keeper; falsy results mean that no keeper runs."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.connection: socket.socket | None = None

    def connect(self) -> bool:
        """Connect if a keeper runs."""
        if self.connection:
            return True
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(self.lab.socket))
        except OSError:
            connection.close()
            return False
        self.connection = connection
        return True

    def start(self, in_memory: bool) -> None:
        """Start the keeper in the background and connect."""
        self.lab.logs.mkdir(parents=True, exist_ok=True)
        log = self.lab.logs / "keeper.log"
        with open(log, "wb") as stream:
            child = subprocess.Popen(
                [
                    *(sys.executable, "-m", "salt_itstack.lab.keeper", str(self.lab.state)),
                    *(["tmpfs"] if in_memory else []),
                ],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
                cwd="/",
                env=plain_environment(),
            )
        end = time.monotonic() + 20
        while not self.connect():
            if child.poll() is not None or time.monotonic() > end:
                raise LabError(f"the lab's keeper doesn't start; its log:\n{tail(str(log))}")
            time.sleep(0.02)

    def order(self, verb: str, **details: object) -> dict:
        """Send one order and return the answer; LabError when the keeper refuses or is gone."""
        if not self.connect() or self.connection is None:
            raise LabError("the lab isn't running. Remedy: ./lab up")
        try:
            self.connection.sendall(json.dumps({"do": verb, **details}).encode() + b"\n")
            line = self.connection.makefile("rb").readline()
        except OSError:
            line = b""
        if not line:
            raise LabError(
                f"the lab's keeper went away during {verb!r}; its log:\n"
                + tail(str(self.lab.logs / "keeper.log"))
            )
        answer = json.loads(line)
        if "error" in answer:
            raise LabError(f"the lab's keeper: {answer['error']}")
        return answer

    def close(self) -> None:
        """Hang up."""
        if self.connection:
            self.connection.close()
            self.connection = None

    def wait_gone(self, seconds: float = 40.0) -> bool:
        """Wait until the keeper has ended."""
        self.close()
        end = time.monotonic() + seconds
        while self.connect():
            self.close()
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        return _UnixConnection(self.path)


def supervisor(process: int | None = None) -> xmlrpc.client.ServerProxy:
    """
    The supervisor's functions, of the server one is in or of the server whose first process is given.

    Raises OSError at the first call when it doesn't answer.
    """
    path = SUPERVISOR_SOCKET
    if process:
        path = f"/proc/{process}/root{path}"
    return xmlrpc.client.ServerProxy("http://localhost", transport=_UnixTransport(path))


def supervisor_answers(process: int) -> bool:
    """Whether a server is set up and its supervisor runs."""
    try:
        supervisor(process).supervisor.getState()  # type: ignore[union-attr]
    except (OSError, xmlrpc.client.Error, http.client.HTTPException):
        return False
    return True


def plain_environment() -> dict[str, str]:
    """An environment with nothing of the caller's session."""
    binaries = Path(sys.prefix) / "bin"
    return {
        "PATH": f"{binaries}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/root",
    }


def enter_command(process: int, words: list[str]) -> list[str]:
    """The command that runs words inside a server; it dies with its caller, however that ends."""
    return [
        # --root: a machine that is itself a changed root has another one than its mount namespace
        *("nsenter", "--target", str(process), "--mount", "--uts", "--ipc", "--pid", "--root", "--wd"),
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *words,
    ]


def inside_environment() -> dict[str, str]:
    """The environment of a command inside a server."""
    kept = {name: os.environ[name] for name in ("TERM", "COLUMNS", "LINES", "NO_COLOR") if name in os.environ}
    return {**plain_environment(), **kept, "ITSTACK_LAB": "1"}
