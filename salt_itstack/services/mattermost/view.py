"""What one run has read of a Mattermost server: each list once, until something in it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, TypeVar

from ...errors import Denied, Missing
from ...reconcile import forget, snapshot
from .api import Mattermost, Row
from .ready import SERVICE
from .resources import nearest, with_privacy

Read = TypeVar("Read")
_ADMINISTRATOR = ("administrator",)


class _Once(Mattermost):
    """A server that isn't asked again with what it refused in this run: it would lock the account."""

    def __init__(self, profile: Mapping[str, Any], local: bool, refused: dict[str, Denied]) -> None:
        super().__init__(profile, local)
        self._refused = refused

    def _token(self) -> tuple[str, float]:
        if "error" in self._refused:
            raise self._refused["error"]
        try:
            return super()._token()
        except Denied as error:
            self._refused["error"] = error
            raise


class View:
    """
    A server as this run knows it. To be closed: a session may have been begun.

    profile
        As of :class:`~.api.Mattermost`.
    context
        A mapping that lives as long as the run.
    """

    def __init__(self, profile: Mapping[str, Any], context: MutableMapping[Any, Any]) -> None:
        self.profile = profile
        self._context = context
        self._key = ("mattermost", profile.get("url") or profile.get("socket"), profile.get("user"))
        # A dry run in which our account would be made first goes on as local mode, which needs none.
        local = bool(profile.get("socket")) and self.planned(*_ADMINISTRATOR)
        self.api: Mattermost = _Once(profile, local, self._remember(self._refusal, dict))

    def close(self) -> None:
        """End the session, if one was begun."""
        self.api.close()

    @property
    def _refusal(self) -> tuple[Any, ...]:
        return ("refused", hash((self.profile.get("password"), self.profile.get("token"))))

    def account_changed(self) -> None:
        """Our account was made or mended: whatever was refused before may be tried again."""
        forget(self._context, (*self._key, *self._refusal))

    # What there is

    def teams(self) -> dict[str, Row]:
        """Teams by name, archived ones among them."""
        return self._remember(("teams",), lambda: _by("name", self.api.teams()))

    def team(self, name: str) -> Row | None:
        """
        A team that can be used; ``None`` where this dry run would make it.

        Raises :class:`Missing` for one that isn't there, or is archived.
        """
        found = self.teams().get(name)
        if self.planned("team", name) or (found and not found["delete_at"]):
            return found
        if found:
            raise Missing(
                f"the team {name} is archived", SERVICE, "declare it with itstack_mattermost.team_present"
            )
        raise Missing(
            f"there is no team {name}",
            SERVICE,
            f"{nearest(self.teams(), name)}; or declare it with itstack_mattermost.team_present",
        )

    def channels(self, team_id: str) -> dict[str, Row]:
        """Public and private channels of a team by name, archived ones among them."""

        def read() -> dict[str, dict[str, Row]]:
            found: dict[str, dict[str, Row]] = {}
            for row in self.api.channels():
                found.setdefault(row["team_id"], {})[row["name"]] = with_privacy(row)
            return found

        return self._remember(("channels",), read).get(team_id, {})

    def bots(self) -> dict[str, Row]:
        """Bots by name, disabled ones among them."""
        return self._remember(("bots",), lambda: _by("username", self.api.bots()))

    def people(self) -> dict[str, Row]:
        """All accounts by name."""
        return self._remember(("people",), lambda: _by("username", self.api.people()))

    def members(self, place: str, place_id: str) -> dict[str, Row]:
        """Members of one of the ``teams`` or ``channels``, by the id of their account."""
        read = self.api.team_members if place == "teams" else self.api.channel_members
        return self._remember((place, place_id, "members"), lambda: _by("user_id", read(place_id)))

    def config(self) -> Row:
        """All settings; secrets are masked, except for local mode."""
        return self._remember(("config",), self.api.config)

    def environment(self) -> Row:
        """The settings that the server's environment sets."""
        return self._remember(("environment",), self.api.environment)

    def changed(self, *what: str) -> None:
        """Forget a list because something in it was written."""
        forget(self._context, (*self._key, *what))

    # Dry runs

    def plan(self, *what: str) -> None:
        """In a dry run: an earlier state of this run would make this."""
        self._remember(("planned",), _plans).add(what)

    def planned(self, *what: str) -> bool:
        """Whether :meth:`plan` was called for it."""
        return what in self._remember(("planned",), _plans)

    def _remember(self, what: tuple[Any, ...], read: Callable[[], Read]) -> Read:
        found: Read = snapshot(self._context, (*self._key, *what), read)
        return found


def _by(key: str, rows: list[Row]) -> dict[str, Row]:
    return {row[key]: row for row in rows}


def _plans() -> set[tuple[str, ...]]:
    return set()
