"""
The one HTTP session of this pack: base URL, token, time-outs, retry, paging, and status to error.

Retrying and pooling are urllib3's; what is ours is the meaning of a status, the renewal of tokens, and that
no message ever shows a header, a body that was sent, or credentials in a URL.
"""

from __future__ import annotations

import contextvars
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from urllib3.util import Retry

from .errors import Conflict, Denied, Invalid, ItstackError, Missing, Problem, Rejected, Unreachable
from .unixsocket import SocketAdapter

#: Seconds to connect, and seconds between two bytes of an answer.
TIMEOUT = (5.0, 30.0)
#: What may be sent twice without harm. A POST is only repeated when it never reached the server.
REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
#: The server, or a proxy before it, asks us to come again.
COME_AGAIN = frozenset({429, 502, 503, 504})

#: Seconds that a server may make us wait with ``Retry-After``; who asks for more is away for this run.
LONGEST_WAIT = 20.0
#: Names whose values must not come back in a message, even if the server repeats them.
_CONFIDENTIAL = re.compile("pass|secret|token|credential|authorization|cookie|api.?key", re.IGNORECASE)

Token = tuple[str, float]


#: Whether the path of the request that is sent just now is a secret.
_PATH_IS_SECRET = contextvars.ContextVar("itstack_path_is_secret", default=False)


class _Discreet(logging.Filter):
    """Keeps silent what urllib3 says of a request whose path is a secret: it names the path at each step."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _PATH_IS_SECRET.get()


for _name in ("urllib3.connectionpool", "urllib3.util.retry"):
    logging.getLogger(_name).addFilter(_Discreet())


class _Retry(Retry):
    """Salt's jobs wait for us: no server decides that they hang for hours."""

    def get_retry_after(self, response: Any) -> float | None:
        try:
            wanted = super().get_retry_after(response)
        except urllib3.exceptions.InvalidHeader:
            return None
        return None if wanted is None else min(wanted, LONGEST_WAIT)


class Pinned(HTTPAdapter):
    """Connects to a bare address while the certificate is checked for the server's own name."""

    def __init__(self, host: str, **options: Any) -> None:
        self._host = host
        super().__init__(**options)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(
            *arguments, server_hostname=self._host, assert_hostname=self._host, **options
        )


class Answer:
    """A server's answer: ``status``, ``headers``, ``text``, and the parsed body as ``data``."""

    def __init__(self, response: requests.Response) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.url = response.url
        self.text = response.text

        try:
            self.data: Any = response.json()
        except ValueError:
            self.data = None

    def created_id(self) -> str:
        """The last segment of the ``Location`` header: the id of what was just created."""
        return urlsplit(self.headers.get("Location", "")).path.rstrip("/").rsplit("/", 1)[-1]


class Session:
    """
    Requests to one service, with its token and its rules.

    base_url
        Address with scheme, such as ``https://sso.it-stack.lab:8443``.
    service
        Name of the service, for messages.
    token
        A function that gets a new bearer token and returns it with its lifetime in seconds.
    basic
        User and password for HTTP Basic, instead of a token.
    ca
        Path of the CA bundle; ``None`` is the system's.
    headers
        Sent with each request.
    timeout
        Seconds to connect, and between two bytes of the answer.
    retries
        How often something that is safe to repeat is tried again, with backoff and jitter.
    address
        Where to connect to, instead of what the base URL's host resolves to: a server behind a proxy, or
        before its name is known. With a port where it isn't the URL's.
    socket
        Path of a socket that the requests go to, in place of the address's host.
    judge
        Is shown each answer that is an error, with what would be raised, and returns what is.
    """

    def __init__(
        self,
        base_url: str,
        service: str = "",
        token: Callable[[], Token] | None = None,
        basic: tuple[str, str] | None = None,
        ca: str | None = None,
        headers: dict[str, str] | None = None,
        timeout: tuple[float, float] = TIMEOUT,
        retries: int = 3,
        address: str | None = None,
        socket: str | None = None,
        judge: Callable[[Answer, ItstackError], ItstackError] | None = None,
    ) -> None:
        if "@" in urlsplit(base_url).netloc:
            raise Invalid(
                Problem("", "url", None, f"the address of {service or 'a service'} holds credentials"),
                remedy="give them apart from the address: messages and logs show addresses",
            )
        self.base_url = base_url.rstrip("/")
        parts = urlsplit(self.base_url)
        if address:
            port = f":{parts.port}" if parts.port and ":" not in address else ""
            self.base_url = f"{parts.scheme}://{address}{port}{parts.path}"
            headers = {"Host": parts.netloc, **(headers or {})}
        self.place = socket or self.base_url
        self.service = service
        self._judge = judge
        self.timeout = timeout
        self._make_token = token
        self._token = ""
        self._renew_at = 0.0
        self._renewing = threading.Lock()
        self._session = requests.Session()
        # The environment's proxies and CA bundles are the user's shell's, not the fleet's.
        self._session.trust_env = False
        self._session.verify = ca or _system_bundle()
        self._session.headers.update({"Accept": "application/json", **(headers or {})})
        if basic:
            self._session.auth = HTTPBasicAuth(basic[0].encode(), basic[1].encode())
        self._password = basic[1] if basic else ""
        retry = _Retry(
            total=retries,
            # Errors of TLS: no better the second time, and in mid-request not safe to repeat for a POST.
            other=0,
            backoff_factor=0.3,
            backoff_jitter=0.2,
            backoff_max=10,
            allowed_methods=REPEATABLE,
            status_forcelist=COME_AGAIN,
            raise_on_status=False,
            respect_retry_after_header=True,
        )
        options: dict[str, Any] = {"max_retries": retry, "pool_maxsize": 8}
        adapter = SocketAdapter(socket, **options) if socket else HTTPAdapter(**options)
        pinned = Pinned(str(parts.hostname), **options) if address else adapter
        self._session.mount("https://", pinned)
        self._session.mount("http://", adapter)

    def get(self, path: str, **request: Any) -> Answer:
        """Read. See :meth:`send`."""
        return self.send("GET", path, **request)

    def post(self, path: str, **request: Any) -> Answer:
        """Create or act; never repeated once it may have arrived. See :meth:`send`."""
        return self.send("POST", path, **request)

    def put(self, path: str, **request: Any) -> Answer:
        """Replace or merge. See :meth:`send`."""
        return self.send("PUT", path, **request)

    def delete(self, path: str, **request: Any) -> Answer:
        """Remove. See :meth:`send`."""
        return self.send("DELETE", path, **request)

    def send(
        self,
        method: str,
        path: str,
        accept: Iterable[int] = (),
        timeout: tuple[float, float] | None = None,
        shown: str | None = None,
        **request: Any,
    ) -> Answer:
        """
        Send one request and return its answer.

        path
            Below the base URL.
        accept
            Statuses from 300 on that are an answer here, not an error (such as 404 on a look-up).
        timeout
            For this request only.
        shown
            What messages show in the place of the path, where the path itself is a secret.
        request
            ``params``, ``json``, ``data``, ``headers`` as the requests library takes them.

        Raises :class:`Unreachable`, :class:`Denied`, :class:`Missing`, :class:`Conflict` or
        :class:`Rejected`.
        """
        response = self._attempt(method, path, timeout, request, shown)
        if response.status_code == 401 and self._make_token:
            # Revoked or expired earlier than it said: one new token, one more try. The first request
            # was refused before it did anything, so this is safe for a POST too.
            self._renew_at = 0.0
            response = self._attempt(method, path, timeout, request, shown)
        answer = Answer(response)
        if answer.status < 300 or answer.status in accept:
            return answer
        error = self._error(method, path, answer, request, shown)
        raise self._judge(answer, error) if self._judge else error

    def pages(self, path: str, params: dict[str, Any] | None = None, size: int = 100) -> list[Any]:
        """
        All rows of a list that pages by ``first`` and ``max``.

        size
            Rows a page.
        """
        rows: list[Any] = []
        page: Any = None
        while True:
            before = page
            page = self.get(path, params={**(params or {}), "first": len(rows), "max": size}).data
            if not isinstance(page, list):
                raise Rejected(
                    f"GET {path} wasn't answered with a list",
                    self.service,
                    "see that the address is the service's own, not a proxy's or a login page's",
                )
            if page and page == before:
                # This server doesn't page: it would give us the same rows for ever.
                return rows
            rows.extend(page)
            if len(page) != size:
                return rows

    def renew(self) -> None:
        """Get a new token for the next request: what the account may do has just changed."""
        self._renew_at = 0.0

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _attempt(
        self,
        method: str,
        path: str,
        timeout: tuple[float, float] | None,
        request: dict[str, Any],
        shown: str | None = None,
    ) -> requests.Response:
        told = path if shown is None else shown
        headers = dict(request.get("headers") or {})
        if self._make_token:
            headers["Authorization"] = f"Bearer {self._current_token()}"
        secret = _PATH_IS_SECRET.set(shown is not None)
        try:
            return self._session.request(
                method,
                self.base_url + path,
                timeout=timeout or self.timeout,
                # A redirect turns a POST into a GET: the base URL has the wrong scheme or host then.
                allow_redirects=False,
                **{**request, "headers": headers},
            )
        except (requests.exceptions.InvalidHeader, UnicodeError):
            # Its own words show the header.
            raise Invalid(
                f"{self.service or self.base_url}: a header of {method} {told} can't be sent",
                remedy="see that the secret of the profile has no line break, blank or other special letter",
            ) from None
        except requests.exceptions.SSLError as error:
            raise Unreachable(
                f"{self.base_url} has a certificate that isn't trusted ({_reason(error)})",
                service=self.service,
                remedy="add its CA to the system's trust, or name it as `ca` in the profile",
            ) from None
        except requests.exceptions.RequestException as error:
            raise Unreachable(
                f"no answer from {self.place} to {method} {told} ({_without(_reason(error), path, shown)})",
                service=self.service,
                remedy="start the service, or correct its address in the map or the profile",
            ) from None
        except OSError as error:
            # What requests raises for a CA bundle that isn't there has no class of its own.
            raise Invalid(
                Problem("", "ca", self._session.verify, f"can't be used ({str(error)[:200]})"),
                remedy="name a file of certificates that this minion can read, in the profile or as ca_file",
            ) from None
        finally:
            _PATH_IS_SECRET.reset(secret)

    def _current_token(self) -> str:
        with self._renewing:
            if time.monotonic() >= self._renew_at:
                assert self._make_token is not None
                self._token, lifetime = self._make_token()
                # Early enough that a slow request doesn't outlive it.
                self._renew_at = time.monotonic() + max(lifetime * 0.8 - 2, lifetime * 0.5)
            return self._token

    def _error(
        self,
        method: str,
        path: str,
        answer: Answer,
        request: Mapping[str, Any],
        shown: str | None = None,
    ) -> ItstackError:
        tried = f"{method} {path if shown is None else shown} was answered with {answer.status}"
        reason = _without(explanation(answer), path, shown)
        for secret in (self._token, self._password, *_confidential(request)):
            if secret:
                reason = reason.replace(secret, "(hidden)")
        if reason:
            tried = f"{tried}: {reason}"
        if answer.status == 401:
            return Denied(tried, self.service, "check the profile's account and its secret")
        if answer.status == 403:
            return Denied(tried, self.service, "give the profile's account the rights that the docs name")
        if answer.status == 404:
            return Missing(tried, self.service)
        if answer.status == 409:
            return Conflict(tried, self.service)
        if 300 <= answer.status < 400:
            return Rejected(
                f"{tried} (to {urlsplit(answer.headers.get('Location', '')).netloc or 'nowhere'})",
                self.service,
                "use the address and scheme that the service itself announces",
            )
        if answer.status in COME_AGAIN:
            return Unreachable(tried, self.service, "it is overloaded or still starting: try again later")
        return Rejected(tried, self.service)


def _without(text: str, path: str, shown: str | None) -> str:
    """A text without the parts of a path that isn't to be shown."""
    if shown is None:
        return text
    for part in set(path.split("/")) - {"", *shown.split("/")}:
        text = text.replace(part, "(hidden)")
    return text


def explanation(answer: Answer) -> str:
    """What the server says went wrong: the usual fields of a JSON error, else the start of a plain text."""
    body = answer.data
    if isinstance(body, dict):
        parts = [body.get(name) for name in ("errorMessage", "error", "error_description", "message")]
        return "; ".join(str(part) for part in parts if part)[:400]
    if answer.headers.get("Content-Type", "").startswith("text/plain"):
        return answer.text.strip()[:200]
    return ""


def _confidential(value: Any, inside: bool = False) -> Iterator[str]:
    """The texts in a request that a server, repeating what it was sent, must not bring into a message."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _confidential(item, inside or bool(_CONFIDENTIAL.search(str(key))))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _confidential(item, inside)
    elif inside and isinstance(value, str):
        yield value


def _reason(error: BaseException) -> str:
    # The innermost cause says "connection refused"; the outer ones repeat the URL and object addresses.
    cause: Any = error
    while True:
        inner = cause.__cause__ or cause.__context__ or getattr(cause, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((arg for arg in cause.args if isinstance(arg, BaseException)), None)
        if inner is None or inner is cause:
            break
        cause = inner
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return str(text).rsplit(">: ", 1)[-1][:200]


def _system_bundle() -> str | bool:
    # The system's trust, where administrators add their own CA, rather than the one frozen in a wheel.
    for path in ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"):
        try:
            with open(path, "rb"):
                return path
        except OSError:
            continue
    return True
