"""A browser for probes: cookies, redirects, and the provider's login form."""

from __future__ import annotations

import html.parser
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from ..errors import Denied, ItstackError, Rejected, Unreachable

TIMEOUT = (3.0, 15.0)


class _Form(html.parser.HTMLParser):
    """The first form of a given id: where it is sent, and its hidden fields."""

    def __init__(self, identifier: str) -> None:
        super().__init__()
        self.identifier = identifier
        self.action = ""
        self.fields: dict[str, str] = {}
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag == "form" and given.get("id") == self.identifier:
            self._inside, self.action = True, given.get("action", "")
        elif self._inside and tag == "input" and given.get("type") == "hidden" and given.get("name"):
            self.fields[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


class Browser:
    """
    Follows pages as a person's browser does, with its own cookies.

    ca
        Path of the CA bundle.
    """

    def __init__(self, ca: str) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = ca
        self._session.max_redirects = 15

    def open(self, url: str, headers: dict[str, str] | None = None) -> requests.Response:
        """A page, with its redirects followed. Raises :class:`Unreachable` or :class:`Rejected`."""
        return self._fetch("GET", url, headers=headers)

    def log_in(self, page: requests.Response, person: str, password: str) -> requests.Response:
        """
        Fill in Keycloak's login form and follow to where it leads.

        Raises :class:`Denied` if the form comes back, :class:`Rejected` if there is no form, or if the
        person is asked for something else first.
        """
        form = _Form("kc-form-login")
        form.feed(page.text)
        if not form.action:
            raise Rejected(
                f"{_where(page.url)} shows no login form", "keycloak", "look at the client's redirect URIs"
            )
        data = {**form.fields, "username": person, "password": password}
        after = self._fetch("POST", urljoin(page.url, form.action), data=data)
        again = _Form("kc-form-login")
        again.feed(after.text)
        if again.action:
            raise Denied(
                f"the login page refuses {person}",
                "keycloak",
                "look at the person in the directory: is it there, enabled, with this password?",
            )
        if "/login-actions/" in after.url:
            raise Rejected(
                f"{person} is asked for something else before the login ends",
                "keycloak",
                "give the person an e-mail address, a first and a last name in the directory",
            )
        return after

    def json(self, response: requests.Response, what: str) -> Any:
        """The JSON body of a page. Raises :class:`Rejected` if it isn't one."""
        try:
            return response.json()
        except ValueError:
            raise Rejected(f"{_where(response.url)} doesn't give {what}") from None

    def close(self) -> None:
        """Forget everything."""
        self._session.close()

    def _fetch(self, method: str, url: str, **request: Any) -> requests.Response:
        try:
            response = self._session.request(method, url, timeout=TIMEOUT, **request)
        except requests.exceptions.RequestException as error:
            # The message of the library may hold the query, and with it a code.
            raise Unreachable(f"no answer from {_where(url)} ({type(error).__name__})") from None
        if response.status_code >= 400:
            raise self._refused(response)
        return response

    def _refused(self, response: requests.Response) -> ItstackError:
        kind = Denied if response.status_code in (401, 403) else Rejected
        if response.status_code >= 500:
            kind = Unreachable
        return kind(f"{_where(response.url)} answers {response.status_code}")


def _where(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"
