"""
The part of Mattermost's REST interface that this pack uses: one method for each request.

Sources: Mattermost's API reference, version 4; what local mode offers is in the server's own
server/channels/api4/*_local.go.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from ...errors import Conflict, Denied, Invalid, ItstackError, Problem, Unreachable, Unsupported
from ...http import Answer, Session
from .ready import PATIENCE, SERVICE, STATUS, check, version

Row = dict[str, Any]

#: The server cuts larger pages to this.
PAGE = 200
#: Members that one request may add to a team, and to a channel.
TEAM_BATCH, CHANNEL_BATCH = 256, 1000
#: Seconds that a session is used before a new one is begun; the server lets it live for days.
SESSION = 3600.0

_TAKEN = (
    "store.sql_team.save_team.existing.app_error",
    "store.sql_channel.save_channel.exists.app_error",
    "app.user.save.username_exists.app_error",
    "app.user.save.email_exists.app_error",
)
_NO_ROUTE = "api.context.404.app_error"
_DEACTIVATED = "api.user.login.inactive.app_error"
_LOCKED = "api.user.check_user_login_attempts.too_many.app_error"
#: What is switched off, and the setting that switches it on.
_SWITCHES = {
    "api.bot.create_disabled": "ServiceSettings.EnableBotAccountCreation",
    "app.user_access_token.disabled": "ServiceSettings.EnableUserAccessTokens",
    "api.incoming_webhook.disabled.app_error": "ServiceSettings.EnableIncomingWebhooks",
    "api.outgoing_webhook.disabled.app_error": "ServiceSettings.EnableOutgoingWebhooks",
}


class Deactivated(Denied):
    """The password is right, but the account was deactivated."""


class Mattermost:
    """
    One server, as one account or as its local mode.

    profile
        ``url``; and ``token``, or ``user`` and ``password``, or else ``socket``, the path of the socket of
        its local mode, which asks for no login, but offers a part of the interface only. ``ca`` is the path
        of a bundle of certificates, if not the system's.
    local
        Use the socket, even though the profile has an account.

    With a user and a password a session is begun by the first request, and has to be ended by
    :meth:`close`. Raises :class:`Invalid` for a profile that leads nowhere.
    """

    def __init__(self, profile: Mapping[str, Any], local: bool = False) -> None:
        self.profile = profile
        by_account = bool(profile.get("token") or (profile.get("user") and profile.get("password")))
        self.local = bool(profile.get("socket")) and (local or not by_account)
        _check(profile, by_account or self.local, self.local)
        self.url = str(profile.get("url") or "http://localhost").rstrip("/")
        self._begun = ""
        socket = str(profile["socket"]) if self.local else None
        self._words: dict[str, Any] = {"service": SERVICE, "ca": profile.get("ca"), "socket": socket}
        self.http = Session(
            self.url, token=None if self.local else self._token, judge=self._judge, **self._words
        )

    def close(self) -> None:
        """End the session that was begun, on the server as well, and close the connections."""
        if self._begun:
            # If it can't be, it ends by itself one day.
            with contextlib.suppress(ItstackError):
                self.http.post("/api/v4/users/logout")
        self._begun = ""
        self.http.close()

    def __enter__(self) -> Mattermost:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Who we are

    def _token(self) -> tuple[str, float]:
        if self.profile.get("token"):
            return str(self.profile["token"]), SESSION
        self._begun = self.login(str(self.profile["user"]), str(self.profile["password"]))
        return self._begun, SESSION

    def login(self, user: str, password: str) -> str:
        """The token of a new session. Raises :class:`Denied` for a wrong password or a locked account."""
        http = Session(self.url, judge=self._judge, **self._words)
        try:
            answer = http.post("/api/v4/users/login", json={"login_id": user, "password": password})
        finally:
            http.close()
        return answer.headers.get("Token", "")

    def _judge(self, answer: Answer, error: ItstackError) -> ItstackError:
        """The error that an answer means, by its id; texts are in the language of the account."""
        identifier = str(answer.data.get("id", "")) if isinstance(answer.data, dict) else ""
        if answer.status in (400, 401) or answer.status >= 500:
            # With its database away, it takes passwords for wrong, and channels for invalid.
            try:
                self.status()
            except Unreachable as away:
                return away
        told = str(error).removeprefix(f"{SERVICE}: ").split(". Remedy: ")[0]
        if identifier in _SWITCHES:
            return Unsupported(told, SERVICE, f"set {_SWITCHES[identifier]} to true")
        if identifier in _TAKEN:
            return Conflict(told, SERVICE)
        if identifier == _DEACTIVATED:
            return Deactivated(told, SERVICE, "let an administrator activate it")
        if identifier == _LOCKED:
            return Denied(told, SERVICE, "wait, or let an administrator reset its failed attempts")
        if identifier == _NO_ROUTE and self.local:
            return Unsupported(
                told, SERVICE, "local mode doesn't offer this: give user and password in the profile"
            )
        if answer.status == 501:
            return Unsupported(told, SERVICE, "this edition can't do it, or its licence doesn't allow it")
        return error

    # The server

    def status(self) -> Answer:
        """What the server says of its own health. Raises :class:`Unreachable` unless all is well."""
        http = Session(self.url, timeout=PATIENCE, retries=0, **self._words)
        try:
            answer = http.get(STATUS, accept=(500,))
        finally:
            http.close()
        check(answer)
        return answer

    def version(self) -> str:
        """The server's version, such as ``10.11.6``."""
        return version(self.status())

    def client_config(self) -> Row:
        """Settings that anybody may see, with the version, and whether there are accounts yet."""
        http = Session(self.url, judge=self._judge, **self._words)
        try:
            return dict(http.get("/api/v4/config/client?format=old").data)
        finally:
            http.close()

    def config(self) -> Row:
        """All settings; secrets are rows of asterisks, except for local mode."""
        return dict(self.http.get("/api/v4/config").data)

    def environment(self) -> Row:
        """The settings that the server's environment sets, each ``true``; nobody else can change them."""
        if self.local:
            return {}
        return dict(self.http.get("/api/v4/config/environment").data or {})

    def patch_config(self, settings: Row) -> Row:
        """Change some settings and return all. PUT of the whole would reset what it lacks."""
        return dict(self.http.put("/api/v4/config/patch", json=settings).data)

    # Lists

    def _pages(self, path: str) -> list[Row]:
        rows: list[Row] = []
        glue = "&" if "?" in path else "?"
        for number in range(10_000):
            page = self.http.get(f"{path}{glue}page={number}&per_page={PAGE}").data or []
            rows += page
            if len(page) < PAGE:
                break
        return rows

    def teams(self) -> list[Row]:
        """All teams, archived ones among them."""
        return self._pages("/api/v4/teams")

    def channels(self) -> list[Row]:
        """Public and private channels of all teams, archived ones among them."""
        return self._pages("/api/v4/channels?include_deleted=true")

    def bots(self) -> list[Row]:
        """All bots, disabled ones among them."""
        return self._pages("/api/v4/bots?include_deleted=true")

    def people(self) -> list[Row]:
        """All accounts: people and bots, deactivated ones among them."""
        return self._pages("/api/v4/users")

    def team_members(self, team_id: str) -> list[Row]:
        """Who is in a team now."""
        return self._pages(f"/api/v4/teams/{team_id}/members")

    def channel_members(self, channel_id: str) -> list[Row]:
        """Who is in a channel."""
        return self._pages(f"/api/v4/channels/{channel_id}/members")

    # Teams

    def create_team(self, fields: Row) -> Row:
        """A new team; ``name``, ``display_name`` and ``type`` are needed."""
        return dict(self.http.post("/api/v4/teams", json=fields).data)

    def patch_team(self, team_id: str, fields: Row) -> Row:
        """Change fields of a team."""
        return dict(self.http.put(f"/api/v4/teams/{team_id}/patch", json=fields).data)

    def archive_team(self, team_id: str) -> None:
        """Archive a team; its name stays taken."""
        self.http.delete(f"/api/v4/teams/{team_id}")

    def restore_team(self, team_id: str) -> Row:
        """Bring an archived team back."""
        return dict(self.http.post(f"/api/v4/teams/{team_id}/restore").data)

    # Channels

    def create_channel(self, fields: Row) -> Row:
        """A new channel; ``team_id``, ``name``, ``display_name`` and ``type`` are needed."""
        return dict(self.http.post("/api/v4/channels", json=fields).data)

    def patch_channel(self, channel_id: str, fields: Row) -> Row:
        """Change fields of a channel."""
        return dict(self.http.put(f"/api/v4/channels/{channel_id}/patch", json=fields).data)

    def set_channel_privacy(self, channel_id: str, privacy: str) -> Row:
        """``O``: public; ``P``: private."""
        return dict(self.http.put(f"/api/v4/channels/{channel_id}/privacy", json={"privacy": privacy}).data)

    def archive_channel(self, channel_id: str) -> None:
        """Archive a channel; its name stays taken, its incoming hooks are lost for good."""
        self.http.delete(f"/api/v4/channels/{channel_id}")

    def restore_channel(self, channel_id: str) -> Row:
        """Bring an archived channel back."""
        return dict(self.http.post(f"/api/v4/channels/{channel_id}/restore").data)

    # Members

    def add_team_members(self, team_id: str, people: list[str]) -> None:
        """Add accounts to a team, by id."""
        for start in range(0, len(people), TEAM_BATCH):
            some = [{"team_id": team_id, "user_id": one} for one in people[start : start + TEAM_BATCH]]
            self.http.post(f"/api/v4/teams/{team_id}/members/batch", json=some)

    def add_channel_members(self, channel_id: str, people: list[str]) -> None:
        """Add accounts of the team to one of its channels, by id."""
        for start in range(0, len(people), CHANNEL_BATCH):
            some = people[start : start + CHANNEL_BATCH]
            self.http.post(f"/api/v4/channels/{channel_id}/members", json={"user_ids": some})

    def remove_member(self, place: str, place_id: str, user_id: str) -> None:
        """Take an account out of one of the ``teams`` or ``channels``."""
        # Who has gone meanwhile is a 404 of channels, and nothing of teams.
        self.http.delete(f"/api/v4/{place}/{place_id}/members/{user_id}", accept=(404,))

    def set_member_role(self, place: str, place_id: str, user_id: str, administrator: bool) -> None:
        """Whether a member of one of the ``teams`` or ``channels`` administers it."""
        self.http.put(
            f"/api/v4/{place}/{place_id}/members/{user_id}/schemeRoles",
            json={"scheme_user": True, "scheme_admin": administrator},
        )

    # Accounts

    def me(self) -> Row:
        """The account that we are; local mode is nobody."""
        return dict(self.http.get("/api/v4/users/me").data)

    def person(self, username: str) -> Row | None:
        """The account with this name, a person's or a bot's, or ``None``."""
        answer = self.http.get(f"/api/v4/users/username/{username.lower()}", accept=(404,))
        return None if answer.status == 404 else dict(answer.data)

    def create_person(self, fields: Row) -> Row:
        """
        A new account; ``username``, ``email`` and ``password`` are needed. Nobody has to be logged in for it,
        and the very first of a server becomes its administrator.
        """
        http = Session(self.url, judge=self._judge, **self._words)
        try:
            return dict(http.post("/api/v4/users", json=fields).data)
        finally:
            http.close()

    def set_roles(self, user_id: str, roles: str) -> None:
        """Give an account exactly these roles of the whole server."""
        self.http.put(f"/api/v4/users/{user_id}/roles", json={"roles": roles})

    def set_active(self, user_id: str, active: bool) -> None:
        """Activate or deactivate an account."""
        self.http.put(f"/api/v4/users/{user_id}/active", json={"active": active})

    def set_password(self, user_id: str, password: str) -> None:
        """Give an account another password; this also unlocks it."""
        self.http.put(f"/api/v4/users/{user_id}/password", json={"new_password": password})

    # Bots

    def create_bot(self, fields: Row) -> Row:
        """A new bot; ``username`` is needed."""
        return dict(self.http.post("/api/v4/bots", json=fields).data)

    def change_bot(self, user_id: str, fields: Row) -> Row:
        """Change a bot; ``username`` is needed."""
        return dict(self.http.put(f"/api/v4/bots/{user_id}", json=fields).data)

    def switch_bot(self, user_id: str, on: bool) -> Row:
        """Enable or disable a bot; its tokens come back with it."""
        return dict(self.http.post(f"/api/v4/bots/{user_id}/{'enable' if on else 'disable'}").data)

    # Posts

    def channel_by_name(self, team: str, channel: str) -> Row:
        """A channel by the names of its team and its own. Raises :class:`Missing`."""
        return dict(self.http.get(f"/api/v4/teams/name/{team}/channels/name/{channel}").data)

    def posts(self, channel_id: str, since: int | None = None, page: int = 0) -> list[Row]:
        """
        Posts of a channel, newest first.

        since
            All that were written or changed after this time, in milliseconds; without it a page of them.
        """
        query = f"page={page}&per_page={PAGE}" if since is None else f"since={since}"
        found = self.http.get(f"/api/v4/channels/{channel_id}/posts?{query}").data
        return [
            found["posts"][one] for one in found.get("order") or [] if not found["posts"][one]["delete_at"]
        ]

    def post(self, channel_id: str, text: str, pending: str) -> Row:
        """
        Write a post.

        pending
            A word of our own; a repeated one gives the same post instead of another.
        """
        fields = {"channel_id": channel_id, "message": text, "pending_post_id": pending}
        try:
            return dict(self.http.post("/api/v4/posts", json=fields).data)
        except Unreachable:
            # It may have arrived: by that word no second one is made.
            return dict(self.http.post("/api/v4/posts", json=fields).data)

    def delete_post(self, post_id: str) -> None:
        """Remove a post."""
        self.http.delete(f"/api/v4/posts/{post_id}")


def _check(profile: Mapping[str, Any], usable: bool, local: bool) -> None:
    lacking = []
    if not profile.get("url") and not local:
        lacking.append("url")
    if not usable:
        lacking.append("token, user and password, or socket")
    if lacking:
        raise Invalid(
            Problem("", "the profile", None, f"it has no {' and no '.join(lacking)}", "add it there")
        )
