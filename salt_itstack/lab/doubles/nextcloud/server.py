"""The web server of the double.

``python -m salt_itstack.lab.doubles.nextcloud.server --root R --address A [--http-port N] [--https-port N
--certificate F --key F]`` serves until it is ended. The configuration is read at each request.
"""

import argparse
import http.server
import signal
import ssl
import sys
import threading

import jwt
import requests

from salt_itstack.lab.doubles.nextcloud import cache, dav, dav_xml, login, ocs, outgoing, web
from salt_itstack.lab.doubles.nextcloud import database as db
from salt_itstack.lab.doubles.nextcloud.installation import Installation
from salt_itstack.lab.doubles.nextcloud.providers import APP, Providers

_LARGEST_BODY = 512 * 1024 * 1024


class Site:
    """Answers requests for the installation below ``root``."""

    def __init__(self, root):
        self.root = root
        self.sessions = web.Sessions()

    def answer(self, request):
        """The :class:`~.web.Answer` to one :class:`~.web.Request`."""
        try:
            installation = Installation(self.root)
        except ValueError:
            return web.server_error()
        try:
            return self._answer(installation, request)
        except (db.Unreachable, db.QueryFailed, cache.Unavailable):
            return _unusable(request)
        except (jwt.PyJWTError, requests.RequestException, outgoing.Refused, OSError, KeyError):
            return web.server_error()
        finally:
            installation.close()

    def _answer(self, installation, request):
        origin = web.Origin(installation.config, request)
        if installation.installed:
            installation.start()
            if installation.newer:
                return web.empty(500)
            if not origin.trusted(installation.config):
                return _untrusted(request)
        if request.path == "/status.php":
            return _status(installation)
        if not installation.installed:
            if request.path in ("/", "/index.php", "/index.php/"):
                return web.page(200, "Nextcloud", "Create an admin account")
            return web.redirect("/index.php", 302)
        if installation.maintenance or installation.needs_upgrade:
            return _closed(installation, request)
        try:
            self._touch_cache(installation, request)
            return self._route(installation, request, origin)
        except cache.CacheFailure as failure:
            return _without_cache(request, failure)

    @staticmethod
    def _touch_cache(installation, request):
        shared = cache.distributed(installation.config)
        if shared is None:
            return
        try:
            shared.touch("web/last", f"{request.method} {request.path}"[:200])
        finally:
            shared.close()

    def _route(self, installation, request, origin):
        cookie = str(installation.config.get("instanceid"))
        identifier = request.cookies().get(cookie, "")
        session = self.sessions.load(identifier)
        if request.path.startswith(("/ocs/v1.php", "/ocs/v2.php")):
            return self._known(
                installation,
                request,
                origin,
                session,
                ocs.answer,
                lambda kind: ocs.nobody(ocs.Envelope(request), kind),
            )
        if request.path.startswith("/remote.php/"):
            return self._known(installation, request, origin, session, dav.answer, dav.nobody)
        path = request.path[len("/index.php") :] if request.path.startswith("/index.php") else request.path
        if path.startswith(f"/apps/{APP}/") and installation.app_enabled(APP):
            pages = login.Pages(installation, origin, self.sessions, identifier, session)
            answer = pages.answer(request, path[len(f"/apps/{APP}/") :])
            if answer is not None:
                kept = self.sessions.save(pages.identifier, pages.session)
                return _with_cookies(answer, cookie, kept, origin)
        return self._page(installation, request, origin, session, path)

    @staticmethod
    def _known(installation, request, origin, session, answer, nobody):
        try:
            found = web.login_of(installation, request, origin, session)
        except web.NotLoggedIn as refusal:
            return nobody(refusal.kind)
        return answer(installation, request, found).with_header("X-User-Id", found.uid)

    @staticmethod
    def _page(installation, request, origin, session, path):
        try:
            found = web.login_of(installation, request, origin, session)
        except web.NotLoggedIn:
            found = None
        if path in ("", "/"):
            return web.redirect(origin.url("/apps/files/" if found else "/login"))
        if path.rstrip("/") in ("/apps/files", "/apps/dashboard"):
            if found is None:
                return web.redirect(origin.url("/login"))
            return web.page(200, "Files - Nextcloud", found.uid)
        if path == "/login":
            return _login_page(installation, request, origin)
        if path in ("/.well-known/caldav", "/.well-known/carddav"):
            return web.json_answer(404, {"message": f"{path.rpartition('/')[2]} not supported"})
        return web.page(404, "Nextcloud - Page not found", "The page could not be found on the server.")


def _status(installation):
    told = installation.status()
    names = (
        "installed",
        "maintenance",
        "needsDbUpgrade",
        "version",
        "versionstring",
        "edition",
        "productname",
        "extendedSupport",
    )
    return web.json_answer(200, {name: told[name] for name in names}, "application/json")


def _untrusted(request):
    if request.path == "/status.php":
        text = b'{"error": "Trusted domain error.", "code": 15}'
        return web.Answer(400, text, [("Content-Type", "application/json")])
    return web.page(400, "Nextcloud", "Access through untrusted domain")


def _unusable(request):
    """The database is out of reach or the cache class unknown."""
    return (
        web.empty(500)
        if request.path == "/status.php" or request.path.startswith("/ocs/")
        else web.server_error()
    )


def _closed(installation, request):
    """Maintenance, or an upgrade that is due."""
    if request.path.startswith("/ocs/"):
        answer = ocs.Envelope(request).bad(503, "Service unavailable", status=503)
        return answer.with_header("X-Nextcloud-Maintenance-Mode", "1")
    if request.path.startswith("/remote.php/") and installation.maintenance:
        return dav_xml.error(
            dav_xml.Failure(
                503, "OCA\\DAV\\Exception\\ServerMaintenanceMode", "System is in maintenance mode."
            )
        )
    answer = web.page(
        503, "Nextcloud", "This server is currently in maintenance mode, which may take a while."
    )
    if request.path.startswith("/remote.php/"):
        return answer
    return answer.with_header("X-Nextcloud-Maintenance-Mode", "1").with_header("Retry-After", "120")


def _without_cache(request, failure):
    if request.path.startswith("/ocs/"):
        return ocs.Envelope(request).bad(996, "Internal Server Error\n", status=500)
    if request.path.startswith("/remote.php/"):
        return dav_xml.error(dav_xml.Failure(503, "ServiceUnavailable", f"RedisException: {failure}"))
    return web.server_error()


def _login_page(installation, request, origin):
    names = []
    if installation.app_enabled(APP):
        found = Providers(installation.database, installation.config).all()
        only = installation.database.app_value(APP, "allow_multiple_user_backends", "1") == "0"
        if only and len(found) == 1 and request.query.get("direct") != "1":
            return web.redirect(origin.url(f"/apps/{APP}/login/{found[0].id}"), 302)
        names = [f"Login with {provider.identifier}" for provider in found]
    return web.page(200, "Login – Nextcloud", "; ".join(names))


def _with_cookies(answer, name, identifier, origin):
    secure = "; secure" if origin.scheme == "https" else ""
    prefix = "__Host-" if origin.scheme == "https" else ""
    answer.with_header("Set-Cookie", f"{name}={identifier}; path=/{secure}; HttpOnly; SameSite=Lax")
    for word in ("Lax", "Strict"):
        answer.with_header(
            "Set-Cookie",
            f"{prefix}nc_sameSiteCookie{word.lower()}=true; path=/; httponly{secure}; SameSite={word}",
        )
    return answer


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Apache"
    sys_version = ""
    site = None
    scheme = "http"
    timeout = 60

    def _serve(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > _LARGEST_BODY:
            self.send_error(413)
            return
        body = self.rfile.read(length) if length else self._chunks()
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = web.Request(self.command, self.path, headers, body, self.client_address[0], self.scheme)
        answer = self.site.answer(request)
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD" and answer.status not in (204, 304):
            self.wfile.write(answer.body)

    def _chunks(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return b""
        parts = []
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            parts.append(self.rfile.read(size))
            self.rfile.readline()
            if size == 0:
                return b"".join(parts)

    def log_message(self, format, *arguments):
        # The request line would put codes and states of logins into the log.
        return

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, place, handler, context=None):
        self.context = context
        super().__init__(place, handler)

    def finish_request(self, request, client_address):
        # The handshake belongs to the connection's own thread, so that a silent client holds up nobody else.
        if self.context is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(30)
        try:
            wrapped = self.context.wrap_socket(request, server_side=True)
        except OSError:
            return
        with wrapped:
            super().finish_request(wrapped, client_address)

    def handle_error(self, request, client_address):
        kind, failure, _ = sys.exc_info()
        if not isinstance(failure, OSError):
            print(f"nextcloud: a request ended with {kind.__name__}", file=sys.stderr, flush=True)


def serve(root, address, http_port=None, https_port=None, certificate=None, key=None):
    """Start listening. ``certificate`` (with its chain) and ``key`` are PEM files for ``https_port``.

    Returns the running servers; each has ``shutdown()``.
    """
    site = Site(root)
    wanted = []
    if http_port is not None:
        wanted.append(("http", http_port, None))
    if https_port is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        wanted.append(("https", https_port, context))
    running = []
    for scheme, port, context in wanted:
        handler = type("Handler", (_Handler,), {"site": site, "scheme": scheme})
        server = _Server((address, port), handler, context)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
    return running


def main(arguments=None):
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="nextcloud-double", description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, help="the folder made by install()")
    parser.add_argument("--address", required=True, help="the address to listen on")
    parser.add_argument("--http-port", type=int, help="serve plain HTTP here")
    parser.add_argument("--https-port", type=int, help="serve HTTPS here")
    parser.add_argument("--certificate", help="PEM file with the certificate and its chain")
    parser.add_argument("--key", help="PEM file with the key")
    given = parser.parse_args(arguments)
    if given.http_port is None and given.https_port is None:
        parser.error("give --http-port or --https-port")
    if given.https_port is not None and not (given.certificate and given.key):
        parser.error("--https-port needs --certificate and --key")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    running = serve(
        given.root, given.address, given.http_port, given.https_port, given.certificate, given.key
    )
    ended.wait()
    for server in running:
        server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
