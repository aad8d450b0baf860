"""Requests and answers of the web server, who is asking, and the checks that come before every page."""

import base64
import binascii
import dataclasses
import hashlib
import html
import http.cookies
import ipaddress
import re
import secrets
import threading
import time
import urllib.parse

from salt_itstack.lab.doubles.nextcloud import phpvalues

MAXIMUM_ATTEMPTS = 11
_SESSION_TOKEN = 0


@dataclasses.dataclass
class Request:
    """One request as it came in; header names in lower case."""

    method: str
    target: str
    headers: dict
    body: bytes
    peer: str
    scheme: str

    def __post_init__(self):
        parts = urllib.parse.urlsplit(self.target)
        self.path = urllib.parse.unquote(parts.path)
        self.raw_path = parts.path
        self.query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))

    def header(self, name, default=""):
        """A header's value or ``default``."""
        return self.headers.get(name.lower(), default)

    def cookies(self):
        """``{name: value}`` of the request's cookies."""
        try:
            jar = http.cookies.SimpleCookie(self.header("cookie"))
        except http.cookies.CookieError:
            return {}
        return {name: morsel.value for name, morsel in jar.items()}


@dataclasses.dataclass
class Answer:
    """One answer. ``headers`` is a list of pairs, so that several cookies fit."""

    status: int
    body: bytes = b""
    headers: list = dataclasses.field(default_factory=list)

    def with_header(self, name, value):
        self.headers.append((name, value))
        return self


def json_answer(status, value, content_type="application/json; charset=utf-8"):
    """An answer with PHP's JSON."""
    return Answer(status, phpvalues.to_json(value).encode(), [("Content-Type", content_type)])


def page(status, title, message=""):
    """An HTML page in the server's frame, with everything escaped."""
    text = (
        '<!DOCTYPE html>\n<html class="ng-csp" data-placeholder-focus="false" lang="en">\n<head>\n'
        f"<title>\n{html.escape(title)}\n</title>\n</head>\n<body>\n<h1>Nextcloud</h1>\n"
        f"<p>{html.escape(message)}</p>\n</body>\n</html>\n"
    )
    return Answer(status, text.encode(), [("Content-Type", "text/html; charset=UTF-8")])


def empty(status):
    """An answer without a body, typed as PHP does by default."""
    return Answer(status, b"", [("Content-Type", "text/html; charset=UTF-8")])


def server_error():
    """The plain page for an internal error."""
    text = (
        "Internal Server Error\n\nThe server encountered an internal error and was unable to complete"
        " your request.\n"
        "Please contact the server administrator if this error reappears multiple times, please include"
        " the technical"
        " details below in your report.\nMore details can be found in the server log.\n"
    )
    return Answer(500, text.encode(), [("Content-Type", "text/plain; charset=utf-8")])


def redirect(address, status=303):
    """A redirection."""
    return Answer(status, b"", [("Location", address), ("Content-Type", "text/html; charset=UTF-8")])


class Origin:
    """Scheme, host and client address of a request after the configuration's proxy and overwrite rules."""

    def __init__(self, config, request):
        trusted = _behind_trusted_proxy(config, request.peer)
        condition = config.get("overwritecondaddr")
        overwrite = not condition or re.search(str(condition), request.peer) is not None
        scheme, host = request.scheme, request.header("host")
        if trusted:
            scheme = request.header("x-forwarded-proto", scheme).split(",")[0].strip() or scheme
            host = request.header("x-forwarded-host", host).split(",")[0].strip() or host
        self.asked_host = host
        self.scheme = str(config.get("overwriteprotocol") or scheme) if overwrite else scheme
        self.host = str(config.get("overwritehost") or host) if overwrite else host
        self.overwritten_host = bool(overwrite and config.get("overwritehost"))
        self.client = _client(config, request) if trusted else request.peer
        self.front = "" if config.get("htaccess.IgnoreFrontController") is True else "/index.php"

    def url(self, path):
        """The absolute address of a route such as ``/apps/files/``."""
        return f"{self.scheme}://{self.host}{self.front}{path}"

    def base(self):
        """The address of the server itself."""
        return f"{self.scheme}://{self.host}"

    def trusted(self, config):
        """Whether the asked host is one of the trusted domains."""
        if self.overwritten_host:
            return True
        host = self.asked_host.lower()
        name = re.sub(r":\d+$", "", host)
        if name in ("localhost", "127.0.0.1", "[::1]"):
            return True
        domains = config.get("trusted_domains") or []
        for domain in phpvalues.as_map(domains).values() if isinstance(domains, (list, dict)) else []:
            pattern = "[-\\.a-zA-Z0-9]*".join(re.escape(part) for part in str(domain).lower().split("*"))
            if re.fullmatch(pattern, host) or re.fullmatch(pattern, name):
                return True
        return False


def _behind_trusted_proxy(config, address):
    proxies = config.get("trusted_proxies") or []
    entries = phpvalues.as_map(proxies).values() if isinstance(proxies, (list, dict)) else []
    for entry in entries:
        try:
            if ipaddress.ip_address(address) in ipaddress.ip_network(str(entry), strict=False):
                return True
        except ValueError:
            continue
    return False


def _client(config, request):
    names = config.get("forwarded_for_headers") or ["HTTP_X_FORWARDED_FOR"]
    for name in phpvalues.as_map(names).values():
        given = request.header(re.sub(r"^HTTP_", "", str(name)).replace("_", "-"))
        for part in reversed([part.strip() for part in given.split(",") if part.strip()]):
            if not _behind_trusted_proxy(config, part):
                return part
    return request.peer


class Sessions:
    """Web sessions in this process's memory, as PHP keeps them outside the database."""

    def __init__(self):
        self._lock = threading.Lock()
        self._kept = {}

    def load(self, identifier):
        """A copy of the session's values (empty for an unknown one)."""
        with self._lock:
            return dict(self._kept.get(identifier, {}))

    def save(self, identifier, values):
        """Keep values under ``identifier`` or a new one. Returns the identifier."""
        identifier = identifier or secrets.token_hex(16)
        with self._lock:
            self._kept[identifier] = dict(values)
        return identifier

    def drop(self, identifier):
        """Forget a session."""
        with self._lock:
            self._kept.pop(identifier, None)


class NotLoggedIn(Exception):
    """``kind``: wrong (bad credentials), disabled, throttled, or nobody (none given)."""

    def __init__(self, kind):
        super().__init__(kind)
        self.kind = kind


@dataclasses.dataclass
class Login:
    """Who asks, and by what: password, token (an app password) or session."""

    uid: str
    by: str


def login_of(installation, request, origin, session):
    """The :class:`Login` of a request. Raises :class:`NotLoggedIn`."""
    people = installation.people
    scheme, _, rest = request.header("authorization").partition(" ")
    if scheme.lower() == "basic":
        return _basic(installation, people, origin, rest)
    if scheme.lower() == "bearer":
        token = installation.database.token(rest.strip())
        if not token or token[2] == _SESSION_TOKEN:
            raise NotLoggedIn("nobody")
        return _entered(people, token[1], "token")
    if session.get("uid"):
        alive = installation.database.one("SELECT uid FROM oc_authtoken WHERE id = %s", session.get("token"))
        if alive == session["uid"] and people.find(alive) and people.enabled(alive):
            return Login(alive, "session")
    raise NotLoggedIn("nobody")


def _basic(installation, people, origin, encoded):
    database = installation.database
    if database.attempts(origin.client) >= MAXIMUM_ATTEMPTS:
        raise NotLoggedIn("throttled")
    try:
        uid, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise NotLoggedIn("wrong")
    token = database.token(password)
    if token and token[2] != _SESSION_TOKEN and token[1].lower() == uid.lower():
        return _entered(people, token[1], "token")
    found = people.check_password(uid, password)
    if not found:
        database.add_attempt(origin.client)
        raise NotLoggedIn("wrong")
    return _entered(people, found, "password")


def _entered(people, uid, by):
    if not people.find(uid):
        raise NotLoggedIn("wrong")
    if not people.enabled(uid):
        raise NotLoggedIn("disabled")
    people.logged_in(uid)
    return Login(uid, by)


def start_session(installation, sessions, old, uid):
    """A new session of a person who has just logged in; the old identifier is gone. Returns (identifier,
    token id)."""
    sessions.drop(old)
    number = installation.database.add_token(uid, "web", secrets.token_hex(32), _SESSION_TOKEN)
    return sessions.save("", {"uid": uid, "token": number, "since": time.time()}), number


def etag(*parts):
    """An opaque entity tag."""
    return hashlib.md5("\0".join(str(part) for part in parts).encode()).hexdigest()
