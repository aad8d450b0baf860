"""The HTTP side: one address for everybody, and the socket of local mode."""

import email.utils
import http
import http.cookies
import json
import logging
import os
import re
import socketserver
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from salt_itstack.lab.doubles.mattermost import (  # noqa: F401 - they offer their routes by being imported
    bots,
    channel_members,
    channels,
    client,
    hooks,
    outgoing,
    people,
    posting,
    posts,
    reactions,
    roles,
    sessions,
    sso,
    system,
    teams,
    unlicensed,
    users,
)
from salt_itstack.lab.doubles.mattermost.errors import Problem
from salt_itstack.lab.doubles.mattermost.limits import Limiter
from salt_itstack.lab.doubles.mattermost.routing import Answer, Call, find
from salt_itstack.lab.doubles.mattermost.store import DatabaseDown, Store
from salt_itstack.lab.doubles.mattermost.values import new_id, now, public_key

LOG = logging.getLogger(__name__)
VERSION = "10.11.6"
PLAIN = "text/plain; charset=utf-8"
#: The real limit of posts is the setting, of hooks a little more.
_SLACK = 60


class Mattermost:
    """What each request is answered, whoever carries the bytes."""

    def __init__(self, config):
        self.config = config
        self.store = Store(config("SqlSettings", "DataSource"))
        self.sessions = sessions.Sessions(self)
        self._local = threading.local()
        self.waiting = sso.Waiting()
        self.limiter = None
        if config("RateLimitSettings", "Enable"):
            rate, burst = (config("RateLimitSettings", name) for name in ("PerSec", "MaxBurst"))
            self.limiter = Limiter(rate, burst)

    def start(self):
        """Prepare the database. Raises :class:`DatabaseDown`."""
        self.store.prepare()
        with self.store.transaction():
            if self.store.get("systems", "first") is None:
                kept = {"at": now(), "diagnostic_id": new_id(), "public_key": public_key()}
                self.store.put("systems", "first", kept)

    @property
    def after(self):
        """Deeds to do once the request's work is kept."""
        if not hasattr(self._local, "after"):
            self._local.after = []
        return self._local.after

    def fixed_id(self, name):
        """An id that stays the same for a name in this database."""
        found = self.store.get("systems", name)
        if found is None:
            found = {"id": new_id()}
            self.store.put("systems", name, found)
        return found["id"]

    @staticmethod
    def new_id():
        """An id for whatever needs one."""
        return new_id()

    @staticmethod
    def date(seconds):
        """The time in so many seconds, as cookies tell it."""
        return email.utils.formatdate(time.time() + seconds, usegmt=True)

    @staticmethod
    def cookie(headers, name):
        """The value of a cookie, or nothing."""
        found = http.cookies.SimpleCookie(headers.get("Cookie") or "")
        return found[name].value if name in found else ""

    @staticmethod
    def json(value):
        """A value as the body of an answer."""
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)

    def answer(self, call):
        """Answer one request."""
        if self.limiter is None or call.local:
            return self._answered(call)
        allowed, headers = self.limiter.ask(call.address)
        answer = self._answered(call) if allowed else Answer(429, "limit exceeded\n", kind=PLAIN)
        return Answer(answer.status, answer.body, [*answer.headers, *headers], answer.kind)

    def _answered(self, call):
        self.after.clear()
        try:
            answer = self._routed(call)
        except DatabaseDown as down:
            LOG.error("%s %s: %s", call.method, call.path, down)
            # Unconfirmed: which id each of the other routes answers with.
            problem = Problem("api.database.app_error", 500, "The database can't be reached.")
            return Answer(problem.status, problem.body(new_id()))
        for deed in self.after:
            deed()
        return answer

    def _routed(self, call):
        hook = re.fullmatch(r"/hooks/([A-Za-z0-9]+)", call.path)
        if hook and call.method == "POST" and not call.local:
            return self._marked(call, self._shaped(lambda: posting.post(call, hook[1])))
        found = find(call.method, call.path, call.local)
        if found is None:
            return self._missing(call)
        route, call.parts = found
        headers = [] if call.local else self.sessions.authenticate(call)
        answer = self._shaped(lambda: self._handled(call, route), route.down)
        return self._marked(call, Answer(answer.status, answer.body, headers + answer.headers, answer.kind))

    @staticmethod
    def _shaped(work, down=None):
        """The answer that some work makes; ``down`` is it when the database is lost."""
        try:
            answer = work()
        except Problem as problem:
            answer = problem
        except DatabaseDown as lost:
            if down is None:
                raise
            LOG.error("the database is lost: %s", lost)
            answer = down
        if isinstance(answer, Problem):
            answer = Answer(answer.status, answer.body(new_id()))
        return answer if isinstance(answer, Answer) else Answer(200, answer)

    def _handled(self, call, route):
        if len(call.body) > self.config("ServiceSettings", "MaximumPayloadSizeBytes") + _SLACK:
            raise Problem("api.context.request_body_too_large.app_error")
        if route.login and not call.local and call.session is None:
            raise Problem("api.context.session_expired.app_error")
        if not route.database:
            return route.answer(call)
        with self.store.transaction():
            return route.answer(call)

    def _marked(self, call, answer):
        headers = [("X-Version-Id", f"{VERSION}.{VERSION}.{client.digest(self.config)}.false")]
        if call.method == "GET":
            headers.append(("Expires", "0"))
        return Answer(answer.status, answer.body, [*answer.headers, *headers], answer.kind)

    def _missing(self, call):
        absent = unlicensed.absent(call.path)
        if absent:
            return Answer(absent.status, absent.body(new_id()))
        detail = (
            f"There doesn't appear to be an api call for the url='{call.path}'.  Typo? are you missing"
            " a team_id or user_id as part of the url?"
        )
        body = Problem("api.context.404.app_error", detail=detail).body("")
        del body["request_id"]
        return Answer(404, body)


class Handler(BaseHTTPRequestHandler):
    """Carries requests to the double."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = 300
    mattermost = None
    local = False

    def _serve(self):
        path, _, query = self.path.partition("?")
        call = Call(
            self.mattermost, self.command, path, dict(urllib.parse.parse_qsl(query, keep_blank_values=True)),
            self.headers, self._body(), local=self.local, address=self._from(),
        )  # fmt: skip
        try:
            answer = self.mattermost.answer(call)
        except Exception:
            LOG.exception("%s %s", self.command, path)
            answer = Answer(500, {"id": "double", "message": "The double has a bug.", "status_code": 500})
        self._send(answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = _serve

    def _from(self):
        return "" if self.local else self.client_address[0]

    def _body(self):
        if (self.headers.get("Transfer-Encoding") or "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, answer):
        text = answer.body if isinstance(answer.body, str) else self.mattermost.json(answer.body)
        body = b"" if answer.status == http.HTTPStatus.NOT_MODIFIED else text.encode()
        self.send_response(answer.status)
        if answer.status != http.HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(body)))
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def version_string(self):
        return "Mattermost double"

    def address_string(self):
        return self._from() or "socket"

    def log_message(self, format, *arguments):
        # A hook's id is its secret.
        LOG.info(
            "%s %s", self.address_string(), re.sub(r"/hooks/[a-z0-9]{26}", "/hooks/***", format % arguments)
        )


class Server(ThreadingHTTPServer):
    """One thread per connection."""

    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        LOG.warning("connection from %s broke", client_address, exc_info=True)


class LocalServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Local mode: whoever may open the socket may do everything that it offers."""

    daemon_threads = True
    request_queue_size = 16

    def __init__(self, path, handler):
        if os.path.exists(path):
            os.unlink(path)
        super().__init__(path, handler)
        os.chmod(path, 0o600)

    def server_close(self):
        super().server_close()
        if os.path.exists(self.server_address):
            os.unlink(self.server_address)

    def handle_error(self, request, client_address):
        LOG.warning("connection to the local socket broke", exc_info=True)


class LocalHandler(Handler):
    """Requests of the socket."""

    local = True
    disable_nagle_algorithm = False


def serve(config, address, port, local_socket=""):
    """Servers that listen; their ``serve_forever`` makes them answer. Raises :class:`DatabaseDown`."""
    mattermost = Mattermost(config)
    mattermost.start()
    made = [Server((address, port), type("Bound", (Handler,), {"mattermost": mattermost}))]
    if config("ServiceSettings", "EnableLocalMode"):
        path = local_socket or config("ServiceSettings", "LocalModeSocketLocation")
        made.append(LocalServer(path, type("Bound", (LocalHandler,), {"mattermost": mattermost})))
    return made
