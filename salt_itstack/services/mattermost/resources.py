"""What we manage of Mattermost, field by field, and which names it takes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import Invalid, Problem
from ...reconcile import Field, Resource

TEAM = Resource(
    kind="team",
    key="name",
    fields={
        "display_name": Field("display_name"),
        "description": Field("description"),
        "open": Field("allow_open_invite", bool),
    },
)

CHANNEL = Resource(
    kind="channel",
    key="name",
    fields={
        "display_name": Field("display_name"),
        "purpose": Field("purpose"),
        "header": Field("header"),
        # Of a channel's type; see :func:`with_privacy`.
        "private": Field("private", bool),
    },
)

BOT = Resource(
    kind="bot",
    key="username",
    fields={"display_name": Field("display_name"), "description": Field("description")},
)

ADMINISTRATOR = Resource(
    kind="administrator",
    key="username",
    fields={
        "email": Field("email"),
        "password": Field("password", secret=True, readable=False),
        "administrator": Field("administrator", bool),
        "active": Field("active", bool),
    },
)

#: How many characters are kept at most (server/public/model: channel.go, team.go, bot.go).
LENGTHS = {
    "team": {"display_name": 64, "description": 255},
    "channel": {"display_name": 64, "purpose": 250, "header": 1024},
    "bot": {"display_name": 64, "description": 1024},
}

_TEAM = re.compile(r"[a-z0-9]+(?:[a-z0-9-]*[a-z0-9])?")
_CHANNEL = re.compile(r"[a-z0-9][a-z0-9_-]*")
_USER = re.compile(r"[a-z0-9._-]{1,64}")
#: A team's name may not begin with a path of the web application (server/public/model/team.go).
RESERVED = (
    "admin", "api", "channel", "claim", "error", "files", "help", "landing", "login", "mfa", "oauth", "plug",
    "plugins", "post", "signup", "boards", "playbooks",
)  # fmt: skip


def team_name(given: Any) -> str:
    """A team's name as it stands in addresses. Raises :class:`Invalid`."""
    name = _text(given, "team")
    reserved = [word for word in RESERVED if name.startswith(word)]
    if reserved:
        what = "begins with a word that Mattermost's own addresses use"
        raise Invalid(Problem("", "team", name, what, f"begin it with another one than {reserved[0]}"))
    if not 2 <= len(name) <= 64 or not _TEAM.fullmatch(name):
        raise Invalid(
            Problem("", "team", name, "isn't a team's name", _named(name, "2 to 64 of a-z, 0-9 and -"))
        )
    return name


def channel_name(given: Any) -> str:
    """
    A channel's name as it stands in addresses; ``#ops-alerts`` is ``ops-alerts``. Raises :class:`Invalid`.
    """
    name = _text(given, "channel").removeprefix("#")
    if not 1 <= len(name) <= 64 or not _CHANNEL.fullmatch(name):
        rule = "1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit"
        raise Invalid(Problem("", "channel", name, "isn't a channel's name", _named(name, rule)))
    return name


def user_name(given: Any) -> str:
    """An account's name; the ``@`` that people write before it is dropped. Raises :class:`Invalid`."""
    name = _text(given, "user").removeprefix("@")
    if not _USER.fullmatch(name):
        rule = "1 to 64 of a-z, 0-9, ., - and _"
        raise Invalid(Problem("", "user", name, "isn't an account's name", _named(name, rule)))
    return name


def _named(name: str, rule: str) -> str:
    lower = name.lower()
    return f"use {rule}" + (f", such as {lower}" if lower != name else "")


def _text(given: Any, what: str) -> str:
    if isinstance(given, str) and given:
        return given
    raise Invalid(
        Problem(
            "", what, given, "isn't a name", "quote it: in YAML, # begins a comment and a number is no text"
        )
    )


def check_texts(resource: Resource, wanted: Mapping[str, Any]) -> None:
    """Raise :class:`Invalid` for what can't be the value of a field: of another kind, or too long."""
    resource.check(wanted)
    problems = []
    for name, value in wanted.items():
        if resource.fields[name].compare is bool:
            if not isinstance(value, bool):
                problems.append(Problem("", name, value, "isn't true or false", "write true or false"))
        elif not isinstance(value, str):
            problems.append(Problem("", name, value, "isn't a text", "quote it"))
        elif len(value) > LENGTHS[resource.kind][name]:
            most = LENGTHS[resource.kind][name]
            problems.append(
                Problem("", name, None, f"has {len(value)} characters", f"{most} are the most that are kept")
            )
    if wanted.get("display_name") == "":
        problems.append(Problem("", "display_name", "", "is empty", "leave it out, or give a name to show"))
    if problems:
        raise Invalid(problems)


def with_privacy(channel: Mapping[str, Any]) -> dict[str, Any]:
    """A channel of the server, with ``private`` for its type."""
    return {**channel, "private": channel.get("type") == "P"}


def nearest(names: Iterable[str], wanted: str) -> str:
    """A remedy that names what might have been meant."""
    known = sorted(names)
    near = difflib.get_close_matches(wanted, known, 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known[:20]) or 'none'}"
