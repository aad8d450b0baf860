"""The HTTPS side: paths, the Referer rule, logins, sessions."""

from __future__ import annotations

import html
import json
import logging
import secrets
import socket
import ssl
import threading
import time
import urllib.parse
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from salt_itstack.lab.doubles.freeipa import errors
from salt_itstack.lab.doubles.freeipa.commands import Realm
from salt_itstack.lab.doubles.freeipa.people import PASSWORD_LIFE, SHORTEST_PASSWORD, stamp
from salt_itstack.lab.doubles.freeipa.rpc import Interface
from salt_itstack.lab.doubles.freeipa.store import Directory, name_in_dn

LOG = logging.getLogger(__name__)
FORM = "application/x-www-form-urlencoded"
JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
# A session ends with the Kerberos ticket behind it, which by default lives for a day.
SESSION_SECONDS = 86400


@dataclass(frozen=True)
class Response:
    status: int
    body: str = ""
    kind: str = HTML
    headers: tuple[tuple[str, str], ...] = ()


def page(status: int, title: str, heading: str, text: str, *headers: tuple[str, str]) -> Response:
    """One of the small HTML pages that the real server answers outside of RPC."""
    body = (
        f"<html>\n<head>\n<title>{title}</title>\n</head>\n<body>\n<h1>{heading}</h1>\n"
        f"<p>\n<strong>{html.escape(text)}</strong>\n</p>\n</body>\n</html>"
    )
    return Response(status, body, headers=headers)


class Site:
    """What each path answers, whoever carries the bytes."""

    def __init__(self, realm: Realm, directory: Directory) -> None:
        self.realm, self.directory = realm, directory
        self.interface = Interface(realm, directory)
        self._sessions: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def post(self, path: str, headers: Any, body: bytes) -> Response:
        """Answer a POST."""
        known = {
            "/ipa/session/login_password": self._login, "/ipa/session/change_password": self._change_password,
            "/ipa/session/json": self._session_json, "/ipa/i18n_messages": self._texts,
        }  # fmt: skip
        if path not in known:
            return self.missing(path)
        # 4.13.1 compares a prefix; with a port behind the name the comparison fails, as on the real server.
        if not (headers.get("Referer") or "").startswith(f"https://{self.realm.host}/ipa"):
            return page(400, "400 Bad Request", "Bad Request", "denied")
        try:
            return known[path](headers, body)
        except errors.DirectoryDown:
            return page(
                503, "503 Service Unavailable", "Service Unavailable", "cannot connect to the LDAP server"
            )

    def get(self, path: str, headers: Any) -> Response:
        """Answer a GET."""
        if path != "/ipa/session/json":
            return self.missing(path)
        person = self._person(headers)
        if not person:
            return _no_session()
        error = errors.unknown_command("session/json")
        told = {"code": error.code, "message": error.message, "data": error.data, "name": error.name}
        return _json(self.interface.envelope(None, told, None, person))

    def missing(self, path: str) -> Response:
        body = (
            "<html>\n<head>\n<title>404 Not Found</title>\n</head>\n<body>\n<h1>Not Found</h1>\n<p>\n"
            f"The requested URL <strong>{html.escape(path)}</strong> was not found on this server.\n"
            "</p>\n</body>\n</html>"
        )
        return Response(404, body)

    # --- logging in

    def _login(self, headers: Any, body: bytes) -> Response:
        form = _form(headers, body, ("user", "password"))
        if isinstance(form, Response):
            return form
        person = form["user"].lower().removesuffix(f"@{self.realm.name}".lower())
        dn = self._dn(person)
        wrong = self.directory.bind(dn, form["password"]) if form["password"] else "Password incorrect"
        if wrong.startswith("Server is unwilling"):
            return _rejected("user-locked", wrong)
        if wrong:
            return _rejected("invalid-password", wrong)
        entry = self.directory.as_manager().get(dn, ["krbpasswordexpiration", "krbprincipalexpiration"])
        now = stamp(time.time())
        # The texts of these two are unconfirmed: the recording server had no Kerberos. The reasons aren't.
        if entry and "" < entry.first("krbprincipalexpiration") <= now:
            return _rejected("krbprincipal-expired", f"Principal {person}@{self.realm.name} is expired")
        if entry and "" < entry.first("krbpasswordexpiration") <= now:
            return _rejected("password-expired", "Password is expired")
        token = secrets.token_urlsafe(48)
        with self._lock:
            self._sessions[token] = (person, time.monotonic() + SESSION_SECONDS)
        cookie = f"MagBearerToken={token}"
        return Response(200, "", headers=(
            ("Set-Cookie", f"ipa_session={cookie};path=/ipa;httponly;secure;"), ("IPASESSION",
                cookie)))  # fmt: skip

    def _change_password(self, headers: Any, body: bytes) -> Response:
        form = _form(headers, body, ("user", "old_password", "new_password"))
        if isinstance(form, Response):
            return form
        person = form["user"].lower()
        dn = self._dn(person)
        if not form["old_password"] or self.directory.bind(dn, form["old_password"]):
            return _changed("invalid-password", "Password change rejected",
                            "The old password or username is not correct.")  # fmt: skip
        if len(form["new_password"]) < SHORTEST_PASSWORD:
            return _changed("policy-error", "Password change rejected", "Password is too short")
        changes = [("replace", "userPassword", [form["new_password"]]),
                   ("replace", "krbPasswordExpiration", [stamp(time.time() + PASSWORD_LIFE)]),
                   ("replace", "krbLastPwdChange", [stamp(time.time())])]  # fmt: skip
        self.directory.as_manager().change(dn, changes)
        return _changed("ok", "Password change successful", "Password was changed.")

    def _dn(self, person: str) -> str:
        return f"uid={name_in_dn(person)},cn=users,cn=accounts,{self.realm.base}"

    # --- calls

    def _session_json(self, headers: Any, body: bytes) -> Response:
        person = self._person(headers)
        if not person:
            return _no_session()
        answer = self._logged_out(headers, body, person) or self.interface.answer(body, person)
        return _json(answer)

    def _logged_out(self, headers: Any, body: bytes, person: str) -> dict[str, Any] | None:
        """The answer to session_logout, which is about the session rather than the directory."""
        try:
            request = json.loads(body)
        except ValueError:
            return None
        if not isinstance(request, dict) or request.get("method") != "session_logout":
            return None
        with self._lock:
            self._sessions.pop(_token(headers), None)
        return self.interface.envelope({"result": None}, None, request.get("id"), person)

    def _texts(self, headers: Any, body: bytes) -> Response:
        """What the web interface loads before a login: proves that the application runs."""
        try:
            identity = json.loads(body).get("id")
        except (ValueError, AttributeError):
            identity = None
        # The real texts are the whole interface's; nobody needs them here.
        return _json(self.interface.envelope({"texts": {}}, None, identity, ""))

    def _person(self, headers: Any) -> str:
        with self._lock:
            person, until = self._sessions.get(_token(headers), ("", 0.0))
        return person if time.monotonic() < until else ""


def _token(headers: Any) -> str:
    for part in (headers.get("Cookie") or "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == "ipa_session":
            return value.strip('"').removeprefix("MagBearerToken=")
    return ""


def _form(headers: Any, body: bytes, names: tuple[str, ...]) -> dict[str, str] | Response:
    if (headers.get("Content-Type") or "").split(";")[0].strip().lower() != FORM:
        return page(400, "400 Bad Request", "Bad Request", f"Content-Type must be {FORM}")
    given = urllib.parse.parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    for name in names:
        if name not in given:
            return page(400, "400 Bad Request", "Bad Request", f"no {name} specified")
        if len(given[name]) > 1:
            return page(400, "400 Bad Request", "Bad Request", f"more than one {name} parameter")
    return {name: given[name][0] for name in names}


def _rejected(reason: str, text: str) -> Response:
    return page(401, "401 Unauthorized", "Invalid Authentication", text, ("X-IPA-Rejection-Reason", reason))


def _changed(result: str, heading: str, text: str) -> Response:
    return page(200, "200 Success", heading, text, ("X-IPA-Pwchange-Result", result))


def _no_session() -> Response:
    return Response(401, "", headers=(("IPASESSION", "MagBearerToken="),))


def _json(value: dict[str, Any]) -> Response:
    return Response(200, json.dumps(value), JSON)


class Handler(BaseHTTPRequestHandler):
    """Carries requests to the site."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Apache", ""
    # One packet per answer, and no waiting for an acknowledgement between its parts.
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = 60
    site: Site

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        self._send(self.site.post(self.path.partition("?")[0], self.headers, self.rfile.read(size)))

    def do_GET(self) -> None:
        self._send(self.site.get(self.path.partition("?")[0], self.headers))

    def _send(self, response: Response) -> None:
        body = response.body.encode()
        self.send_response(response.status)
        self.send_header("Content-Type", response.kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in response.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *arguments: Any) -> None:
        LOG.info("%s %s", self.address_string(), format % arguments)


class Server(ThreadingHTTPServer):
    """HTTPS with one thread per connection; a slow handshake holds up only its own."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[Handler], context: ssl.SSLContext) -> None:
        super().__init__(address, handler)
        self.context = context

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.settimeout(Handler.timeout)
        return self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        LOG.warning("connection from %s broke", client_address, exc_info=True)


def serve(configuration: dict[str, Any]) -> Server:
    """
    A server that listens; ``serve_forever`` makes it answer.

    configuration
        address, port, host (full name), certificate and key (PEM files), ldap_url, manager,
        manager_password_file, domain, realm, base_dn.
    """
    realm = Realm(
        configuration["host"], configuration["realm"], configuration["domain"], configuration["base_dn"]
    )
    password = Path(configuration["manager_password_file"]).read_text(encoding="utf-8").strip()
    directory = Directory(configuration["ldap_url"], configuration["manager"], password)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(configuration["certificate"], configuration["key"])
    handler = type("SiteHandler", (Handler,), {"site": Site(realm, directory)})
    return Server((configuration["address"], int(configuration["port"])), handler, context)
