"""
The one process that everything in a lab hangs on.

It starts each server's first process as a child that the kernel kills when the keeper dies, and has a
mount namespace of its own. So nothing survives it, however it ends. It takes orders on a socket, one JSON
object a line: start, list, stop, hold, release. A client that holds (a running `up`) and goes away
without releasing takes the lab with it.

`python -m salt_itstack.lab.keeper STATE_FOLDER [tmpfs]`
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from . import mounts
from .client import SUPERVISOR_SOCKET

UNSHARE = [
    *("unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"),
    *("--propagation", "private"),
]
GRACE_SECONDS = 20.0
ASK_AGAIN_SECONDS = 1.0
SOCKET_NAME = "keeper.sock"
STORAGE_NAME = "servers"


class Keeper:
    """Children by server name, and the clients' connections."""

    def __init__(self, state: Path, in_memory: bool) -> None:
        self.state = state
        self.children: dict[str, subprocess.Popen] = {}
        self.ended: dict[str, int] = {}
        self.selector = selectors.DefaultSelector()
        self.holders: set[socket.socket] = set()
        self.running = True
        (state / STORAGE_NAME).mkdir(parents=True, exist_ok=True)
        mounts.own_mounts()
        if in_memory:
            mounts.mount("tmpfs", str(state / STORAGE_NAME), "tmpfs", 0, "mode=0755")
        self.in_memory = in_memory

    def serve(self) -> None:
        """Answer until told to stop, then end every server."""
        path = self.state / SOCKET_NAME
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        os.chmod(path, 0o600)
        listener.listen(8)
        self.selector.register(listener, selectors.EVENT_READ)
        woken, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)
        self.selector.register(woken, selectors.EVENT_READ)
        while self.running:
            for key, _ in self.selector.select():
                if key.fileobj is listener:
                    client, _ = listener.accept()
                    self.selector.register(client, selectors.EVENT_READ)
                elif key.fileobj == woken:
                    os.read(woken, 4096)
                    self._reap()
                else:
                    self._hear(key.fileobj)
        self.stop_servers(list(self.children))
        path.unlink(missing_ok=True)

    def _end(self, *_: object) -> None:
        self.running = False

    def _hear(self, client: socket.socket) -> None:
        try:
            line = client.makefile("rb").readline()
        except OSError:
            line = b""
        if not line:
            self.selector.unregister(client)
            client.close()
            if client in self.holders:
                self.holders.discard(client)
                self.running = False
            return
        order = json.loads(line)
        try:
            answer = self.obey(order, client)
        except (OSError, KeyError) as problem:
            answer = {"error": f"{order.get('do')}: {problem}"}
        try:
            client.sendall(json.dumps(answer).encode() + b"\n")
        except OSError:
            return

    def obey(self, order: dict, client: socket.socket) -> dict:
        """Carry out one order and return the answer."""
        self._reap()
        verb = order["do"]
        if verb == "start":
            return self.start(order["server"])
        if verb == "list":
            return {
                "servers": {name: first_process(child.pid) for name, child in self.children.items()},
                "ended": self.ended,
                "in_memory": self.in_memory,
                "pid": os.getpid(),
            }
        if verb == "stop":
            names = order.get("servers")
            self.stop_servers(list(self.children) if names is None else names)
            if names is None:
                self.running = False
            return {}
        if verb == "hold":
            self.holders.add(client)
            return {}
        if verb == "release":
            self.holders.discard(client)
            return {}
        return {"error": f"unknown order {verb}"}

    def start(self, server: str) -> dict:
        """Start one server's namespaces, unless they are there."""
        if server in self.children:
            return {"started": False}
        self.ended.pop(server, None)
        log = self.state / "log" / f"{server}.log"
        with open(log, "ab") as stream:
            self.children[server] = subprocess.Popen(
                [
                    *UNSHARE,
                    *(sys.executable, "-m", "salt_itstack.lab.inside"),
                    str(self.state / "specs" / f"{server}.json"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
                preexec_fn=mounts.end_with_parent,
            )
        return {"started": True}

    def stop_servers(self, names: list[str]) -> None:
        """End servers: their supervisors get time to stop their programs, then the kernel ends the rest."""
        waiting = [name for name in names if name in self.children]
        end = time.monotonic() + GRACE_SECONDS
        while waiting:
            for name in waiting:
                _ask_to_end(self.children[name].pid, last=time.monotonic() > end)
            pause = time.monotonic() + ASK_AGAIN_SECONDS
            while waiting and time.monotonic() < pause:
                waiting = [name for name in waiting if self.children[name].poll() is None]
                time.sleep(0.02)
        for name in names:
            self.children.pop(name, None)

    def _reap(self) -> None:
        for name, child in list(self.children.items()):
            if child.poll() is not None:
                self.ended[name] = child.returncode
                del self.children[name]


def first_process(unshare: int) -> int:
    """The process id, seen from outside, of a server's process 1; 0 while there is none."""
    try:
        with open(f"/proc/{unshare}/task/{unshare}/children") as stream:
            found = stream.read().split()
    except OSError:
        return 0
    return int(found[0]) if found else 0


def _ask_to_end(unshare: int, last: bool) -> None:
    """
    Ask a server's supervisor to stop its programs and end; or end it all by force.

    It is asked again and again: process 1 doesn't hear SIGTERM before it has said what it does with it. A
    server whose supervisor doesn't listen yet has nothing to stop, and is ended at once.
    """
    process = first_process(unshare)
    ready = process > 0 and os.path.exists(f"/proc/{process}/root{SUPERVISOR_SOCKET}")
    if ready and not last:
        _signal(process, signal.SIGTERM)
        return
    _signal(process, signal.SIGKILL)
    _signal(unshare, signal.SIGKILL)


def _signal(process: int, number: signal.Signals) -> None:
    # 0 and below would mean whole groups of processes
    if process > 1:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def main() -> int:
    """Serve, unless another keeper already does."""
    state = Path(sys.argv[1])
    with open(state / "keeper.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"another keeper runs for {state}", file=sys.stderr)
            return 1
        Keeper(state, "tmpfs" in sys.argv[2:]).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
