"""The table of routes, a call's request, and what a route answers."""

import json
import re
import urllib.parse
from dataclasses import dataclass, field

from salt_itstack.lab.doubles.mattermost.errors import Problem, forbidden, invalid_body, invalid_url
from salt_itstack.lab.doubles.mattermost.values import is_id

_PATTERNS = {
    "username": r"[A-Za-z0-9_.-]+",
    "email": r"[^/]+",
    "name": r"[A-Za-z0-9_-]+",
    "emoji": r"[A-Za-z0-9_+-]+",
}
#: What a field of a body must be: the real server decodes bodies into such fields.
_KINDS = {
    str: {
        "id", "username", "email", "password", "nickname", "first_name", "last_name", "position", "locale",
        "display_name", "name", "description", "type", "purpose", "header", "team_id",
        "channel_id", "user_id",
        "icon_url", "message", "root_id", "pending_post_id", "terms", "term", "privacy", "roles", "token_id",
        "post_id", "emoji_name", "new_password", "current_password", "auth_service", "auth_data", "login_id",
        "content_type", "creator_id",
    },
    bool: {
        "active", "allow_open_invite", "channel_locked", "is_or_search", "scheme_user", "scheme_admin",
        "allow_inactive",
    },
    int: {"trigger_when"},
    list: {"user_ids", "trigger_words", "callback_urls"},
    dict: {"props", "notify_props", "timezone"},
}  # fmt: skip
OK = {"status": "OK"}


@dataclass
class Answer:
    """A status, a body and headers; a body that isn't text is sent as JSON."""

    status: int = 200
    body: object = None
    headers: list = field(default_factory=list)
    kind: str = "application/json"


@dataclass
class Route:
    """A method and path pattern with the function that answers, and who may call it."""

    method: str
    pattern: re.Pattern
    literal: int
    answer: object
    login: bool
    local: bool
    database: bool
    down: Problem | None


ROUTES: list[Route] = []


def route(method, path, login=True, local=False, database=True, down=None, prefix="/api/v4"):
    """Offer a function below ``prefix``: ``{x}`` is an id, ``{x:kind}`` a user name, e-mail or name.

    login
        Whether a session is needed.
    local
        Whether the socket of local mode offers it as well.
    database
        Whether it works in a transaction; without one it goes on while the database is away.
    down
        What is answered while the database is away.
    """

    def keep(function):
        expression = re.sub(
            r"\{(\w+)(?::(\w+))?\}",
            lambda found: f"(?P<{found[1]}>{_PATTERNS.get(found[2], '[A-Za-z0-9]+')})",
            path,
        )
        literal = sum(1 for part in path.split("/") if "{" not in part)
        ROUTES.append(
            Route(method, re.compile(prefix + expression), literal, function, login, local, database, down)
        )
        return function

    return keep


def find(method, path, local):
    """(route, the path's parts) or None; the route with more fixed parts wins."""
    found = []
    for one in ROUTES:
        fits = one.method == method and (one.local or not local) and one.pattern.fullmatch(path)
        if fits:
            found.append((one, {k: urllib.parse.unquote(v) for k, v in fits.groupdict().items()}))
    return max(found, key=lambda pair: pair[0].literal, default=None)


def _decodes(given):
    return all(
        given.get(field) is None or type(given[field]) is kind
        for kind, fields in _KINDS.items() for field in fields & given.keys()
    )  # fmt: skip


@dataclass
class Call:
    """One request, with the server that it came to."""

    server: object
    method: str
    path: str
    query: dict
    headers: object
    body: bytes
    local: bool = False
    session: dict | None = None
    parts: dict = field(default_factory=dict)
    address: str = ""

    @property
    def store(self):
        return self.server.store

    @property
    def config(self):
        return self.server.config

    # -- the request

    def part(self, name):
        """An id from the path; ``me`` is the session's person. Raises a 400 for anything else."""
        value = self.parts[name]
        if value == "me" and self.session and name == "user_id":
            return self.session["user_id"]
        if not is_id(value):
            raise invalid_url(name)
        return value

    def json(self, name, of=None):
        """The body's object, or its list of texts or objects. Raises a 400 that calls it ``name``."""
        try:
            value = json.loads(self.body)
        except ValueError:
            raise invalid_body(name) from None
        entries, kind = (value, of) if of else ([value], dict)
        if not isinstance(entries, list) or not all(type(one) is kind for one in entries):
            raise invalid_body(name)
        if kind is dict and not all(_decodes(one) for one in entries):
            raise invalid_body(name)
        return value

    def flag(self, name):
        """Whether a query parameter is true."""
        return self.query.get(name, "").lower() in ("true", "1", "t")

    def page(self, items):
        """The page of ``items`` that the query asks for: 60 by default, never more than 200."""
        number = self._number("page", 0)
        size = min(self._number("per_page", 60), 200)
        return items[number * size : (number + 1) * size]

    def _number(self, name, default):
        text = self.query.get(name, "")
        return int(text) if text.isdigit() else default

    # -- the caller's rights

    @property
    def user_id(self):
        return self.session["user_id"] if self.session else ""

    @property
    def admin(self):
        """Whether everything is allowed: a system administrator or local mode."""
        return self.local or "system_admin" in self.session["roles"].split()

    def need_admin(self):
        """Raise a 403 unless everything is allowed."""
        if not self.admin:
            raise forbidden()

    def need_self(self, user_id):
        """Raise a 403 unless it's the person itself or an administrator."""
        if not self.admin and self.user_id != user_id:
            raise forbidden()
