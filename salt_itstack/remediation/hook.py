"""
The way in for requests from outside: monitoring, a ticket system, a person's script.

``POST /repair`` with ``{"what": ID, "why": TEXT}`` asks for a look at a service or an integration of the map
that is in mode enforce; nothing else can be asked for. The answer 202 is given only once the request is
written down.
"""

from __future__ import annotations

import contextlib
import http.server
import ipaddress
import json
import logging
import pathlib
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from email.message import Message
from typing import Any

from ..errors import Invalid, ItstackError, Problem
from ..secrets.store import Store
from ..stack import Stack
from .credentials import TOKEN, allowed
from .pokes import Pokes
from .policy import ASKED, ladder

log = logging.getLogger(__name__)

PATH = "/repair"
#: Bytes of a request's body.
LARGEST = 16 * 1024
#: Characters of a reason that are kept.
REASON = 500
#: Seconds between two bytes, and for a whole request.
PATIENCE, DEADLINE = 10.0, 20.0
#: Requests that are answered at the same time.
WIDTH = 32
#: Seconds that a connection waits for its turn before it is closed without an answer.
PLACE = 2.0
MINUTE = 60.0
#: Addresses whose requests are counted at the same time.
REMEMBERED = 4096


class Refused(Exception):
    """An answer that isn't 202."""

    def __init__(self, status: int, message: str, remedy: str = "", **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": message, **({"remedy": remedy} if remedy else {})}
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Rate:
    """
    How many requests an address may send in a minute.

    most
        So many.
    clock
        Seconds.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self._clock = clock
        self._seen: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def wait(self, address: str) -> float:
        """Seconds after which the address may ask again; 0 if it may now, which then counts."""
        now = self._clock()
        with self._lock:
            times = self._seen.pop(address, deque())
            while times and now - times[0] >= MINUTE:
                times.popleft()
            # The one that was heard of last stands last; the longest silent is forgotten first.
            self._seen[address] = times
            while len(self._seen) > REMEMBERED:
                self._seen.pop(next(iter(self._seen)))
            if len(times) >= self.most:
                return times[0] + MINUTE - now
            times.append(now)
        return 0.0


class Door:
    """
    What is behind the address: who may ask, for what, and where it is written down.

    stack
        Gives the map as it is now.
    store
        Of the secret that senders prove themselves with.
    wake
        Called when something new was written down.
    """

    def __init__(
        self,
        stack: Callable[[], Stack],
        store: Store,
        pokes: Pokes,
        rate: int = 60,
        wake: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._stack = stack
        self._store = store
        self._pokes = pokes
        self._rate = Rate(rate)
        self._wake = wake
        self._clock = clock

    def admit(self, address: str) -> None:
        """Count a request. Raises :class:`Refused` for one too many, before anything of it is read."""
        seconds = self._rate.wait(address)
        if seconds:
            raise Refused(429, "too many requests from this address", Retry_After=str(int(seconds) + 1))

    def ask(self, headers: Message, body: bytes, sender: str) -> dict[str, Any]:
        """The answer to a request, once it is written down. Raises :class:`Refused`."""
        try:
            why = allowed(headers, body, self._store.get(TOKEN), self._clock())
            if why:
                raise Refused(why.status, why.message, why.remedy, **why.headers)
            what, reason = _request(body)
            self._check(what)
            new = self._pokes.put(what, kind=ASKED, side="", by=f"hook ({sender})", why=reason)
        except ItstackError as error:
            log.error("itstack: a request for a repair can't be taken: %s", error)
            raise Refused(
                503, "it can't be taken now; the master's log says why", "ask again later"
            ) from None
        if new:
            self._wake()
        return {"accepted": what, "new": new}

    def _check(self, what: str) -> None:
        stack = self._stack()
        if what not in stack.services and what not in stack.integrations:
            raise Refused(404, f"the map has no service or integration {what[:80]!r}", "see itstack.status")
        there = what in stack.deployable() if what in stack.services else stack.active(what)
        if not there or not ladder(stack, what):
            raise Refused(
                403,
                f"nothing of {what} may be repaired without a person",
                "deploy it and set its mode to enforce in the map",
            )


def _request(body: bytes) -> tuple[str, str]:
    """What is asked for and why. Raises :class:`Refused`."""
    remedy = 'send {"what": "redis", "why": "it doesn\'t answer"}'
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "the body isn't JSON", remedy) from None
    if not isinstance(found, dict):
        raise Refused(400, "the body isn't an object", remedy)
    unknown = sorted(str(key)[:40] for key in set(found) - {"what", "why"})
    if unknown:
        raise Refused(400, f"unknown: {', '.join(unknown[:5])}", remedy)
    what, why = found.get("what"), found.get("why", "")
    if not isinstance(what, str) or not isinstance(why, str):
        raise Refused(400, "what and why are texts", remedy)
    return what, "".join(letter for letter in why if letter.isprintable())[:REASON]


class _Handler(http.server.BaseHTTPRequestHandler):
    timeout = PATIENCE
    server_version = "itstack"
    sys_version = ""
    server: Endpoint

    def do_POST(self) -> None:
        """Ask for a repair."""
        try:
            self.server.door.admit(self.client_address[0])
            self._answer(202, self.server.door.ask(self.headers, self._body(), self.client_address[0]))
        except Refused as refusal:
            self._answer(refusal.status, refusal.body, refusal.headers)

    def do_GET(self) -> None:
        """There is nothing to be read here."""
        try:
            self.server.door.admit(self.client_address[0])
            self._answer(405, {"error": "only POST"}, {"Allow": "POST"})
        except Refused as refusal:
            self._answer(refusal.status, refusal.body, refusal.headers)

    do_PUT = do_DELETE = do_PATCH = do_GET

    def _body(self) -> bytes:
        if self.path != PATH:
            raise Refused(404, "there is nothing here", f"post to {PATH}")
        length = self.headers.get("Content-Length", "")
        if self.headers.get("Transfer-Encoding") or not (length.isascii() and length.isdigit()):
            raise Refused(400, "the length of the body isn't said", "send Content-Length")
        if len(length) > 9 or int(length) > LARGEST:
            raise Refused(413, f"the body is longer than {LARGEST} bytes")
        content = self.rfile.read(int(length))
        if len(content) < int(length):
            raise Refused(400, "the body ended early")
        return content

    def _answer(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        content = json.dumps(body).encode() + b"\n"
        self.close_connection = True
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Type": "application/json"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Who was answered what; no header, and so no token, is logged."""
        log.info("itstack: hook: %s got %s", self.client_address[0], getattr(code, "value", code))

    def log_message(self, format: str, *args: Any) -> None:
        """What the library would write to the standard error, with parts of the request, stays unsaid."""


class Endpoint(http.server.ThreadingHTTPServer):
    """
    The door's address.

    address, port
        Where it listens. Other than on the loopback it needs a certificate.
    certificate, key
        PEM files; the key may stand in the certificate's file.

    Raises :class:`Invalid` for what can't be used.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        door: Door,
        address: str = "127.0.0.1",
        port: int = 4510,
        certificate: str | None = None,
        key: str | None = None,
    ) -> None:
        self.door = door
        context = _context(address, certificate, key)
        self._places = threading.BoundedSemaphore(WIDTH)
        if ":" in address:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((address, port), _Handler)
        except (OSError, OverflowError, TypeError) as error:
            raise _refusal("address", f"{address}:{port}", f"it can't be listened on ({error})") from None
        if context:
            # The handshake is made by the thread that serves the connection: a silent client stops nobody.
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )  # fmt: skip

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection its thread, if there is one to be had."""
        if not self._places.acquire(timeout=PLACE):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection until its deadline."""
        end = threading.Timer(DEADLINE, _cut, [request])
        end.daemon = True
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks off is no error of ours."""
        log.debug("itstack: hook: the connection of %s broke off", client_address[0], exc_info=True)


def _cut(request: socket.socket) -> None:
    with contextlib.suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _context(address: str, certificate: str | None, key: str | None) -> ssl.SSLContext | None:
    if not certificate:
        if not is_loopback(address):
            raise _refusal(
                "certificate", None, f"{address} is open to others, and the token mustn't travel bare",
                "name a certificate and its key, or listen on 127.0.0.1 behind a proxy",
            )  # fmt: skip
        return None
    for what, path in (("certificate", certificate), ("key", key)):
        if path and not pathlib.Path(path).is_file():
            raise _refusal(what, path, "there is no such file")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key or None)
    except (OSError, ssl.SSLError) as error:
        raise _refusal("certificate", certificate, f"it can't be used with its key ({error})") from None
    return context


def _refusal(key: str, value: Any, message: str, remedy: str = "correct it under engines:") -> Invalid:
    return Invalid(Problem("the master's configuration", f"itstack_hook:{key}", value, message, remedy))
