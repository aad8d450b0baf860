"""Teams and channels: made, changed, archived, and brought back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import Missing
from ...reconcile import Changes, body, creation, diff, removal
from .api import Row
from .ready import SERVICE
from .resources import CHANNEL, TEAM, channel_name, check_texts, nearest, team_name
from .view import View

ARCHIVED = "archived"


def _revived(found: Row) -> Changes:
    return {ARCHIVED: {"old": True, "new": False}} if found["delete_at"] else {}


def apply_team(view: View, given: str, fields: Mapping[str, Any], test: bool = False) -> Changes:
    """
    Bring a team to the declared shape; an archived one is restored. Returns what changed or would change.

    given
        Its name.
    fields
        Of :data:`~.resources.TEAM`; only these are compared.
    """
    name = team_name(given)
    check_texts(TEAM, fields)
    found = view.teams().get(name)
    changes = creation(TEAM, fields) if found is None else {**_revived(found), **diff(TEAM, fields, found)}
    if test and (found is None or ARCHIVED in changes):
        view.plan("team", name)
    if changes and not test:
        if found is None:
            view.api.create_team({"name": name, "display_name": name, "type": "O", **body(TEAM, fields)})
        else:
            _change_team(view, found, fields, changes)
        view.changed("teams")
        # Every team begins with channels of its own.
        view.changed("channels")
    return changes


def _change_team(view: View, found: Row, fields: Mapping[str, Any], changes: Changes) -> None:
    if ARCHIVED in changes:
        view.api.restore_team(found["id"])
    others = body(TEAM, fields, set(changes) - {ARCHIVED})
    if others:
        view.api.patch_team(found["id"], others)


def remove_team(view: View, given: str, test: bool = False) -> Changes:
    """Archive a team; returns what changed or would change."""
    name = team_name(given)
    found = view.teams().get(name)
    if found is None or found["delete_at"]:
        return {}
    if not test:
        view.api.archive_team(found["id"])
        view.changed("teams")
    return removal(name)


def apply_channel(
    view: View, given: str, team: str, fields: Mapping[str, Any], test: bool = False
) -> Changes:
    """
    Bring a channel to the declared shape; an archived one is restored. Returns what changed or would change.

    given
        Its name, with or without ``#``.
    team
        Name of its team.
    fields
        Of :data:`~.resources.CHANNEL`; only these are compared.
    """
    name = channel_name(given)
    check_texts(CHANNEL, fields)
    place = view.team(team_name(team))
    found = view.channels(place["id"]).get(name) if place else None
    if found is None:
        changes = creation(CHANNEL, fields)
    else:
        changes = {**_revived(found), **diff(CHANNEL, fields, found)}
    if test and (found is None or ARCHIVED in changes):
        view.plan("channel", team, name)
    if changes and not test and place:
        if found is None:
            _create_channel(view, place["id"], name, fields)
        else:
            _change_channel(view, found, fields, changes)
        view.changed("channels")
    return changes


def _create_channel(view: View, team_id: str, name: str, fields: Mapping[str, Any]) -> None:
    kept = {key: value for key, value in fields.items() if key != "private"}
    kind = "P" if fields.get("private") else "O"
    view.api.create_channel(
        {"team_id": team_id, "name": name, "display_name": name, "type": kind, **body(CHANNEL, kept)}
    )


def _change_channel(view: View, found: Row, fields: Mapping[str, Any], changes: Changes) -> None:
    if ARCHIVED in changes:
        view.api.restore_channel(found["id"])
    others = body(CHANNEL, fields, set(changes) - {ARCHIVED, "private"})
    if others:
        view.api.patch_channel(found["id"], others)
    if "private" in changes:
        view.api.set_channel_privacy(found["id"], "P" if fields["private"] else "O")


def remove_channel(view: View, given: str, team: str, test: bool = False) -> Changes:
    """Archive a channel; returns what changed or would change. Its incoming hooks are lost for good."""
    name = channel_name(given)
    place = view.teams().get(team_name(team))
    found = view.channels(place["id"]).get(name) if place else None
    if found is None or found["delete_at"]:
        return {}
    if not test:
        view.api.archive_channel(found["id"])
        view.changed("channels")
    return removal(name)


def usable_channel(view: View, given: str, team: str) -> Row | None:
    """
    A channel that can be used; ``None`` where this dry run would make it.

    Raises :class:`Missing` for one that isn't there, or is archived.
    """
    name, place = channel_name(given), view.team(team_name(team))
    there = view.channels(place["id"]) if place else {}
    found = there.get(name)
    if view.planned("channel", team, name) or (found and not found["delete_at"]):
        return found
    what = "is archived" if found else "doesn't exist"
    open_ones = [one for one, row in there.items() if not row["delete_at"]]
    raise Missing(
        f"the channel {name} of the team {team} {what}",
        SERVICE,
        f"{nearest(open_ones, name)}; or declare it with itstack_mattermost.channel_present",
    )
