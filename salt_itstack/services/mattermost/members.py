"""Bots, and members of teams and channels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import Conflict, Missing
from ...reconcile import Changes, body, creation, diff, removal
from .api import Row
from .places import usable_channel
from .ready import SERVICE
from .resources import BOT, check_texts, nearest, team_name, user_name
from .view import View


def apply_bot(view: View, given: str, fields: Mapping[str, Any], test: bool = False) -> Changes:
    """
    Bring a bot to the declared shape; a disabled one is enabled. Returns what changed or would change.

    Raises :class:`Conflict` where the name is a person's.
    """
    name = user_name(given)
    check_texts(BOT, fields)
    found = view.bots().get(name)
    if found is None:
        if view.api.person(name) is not None:
            raise Conflict(
                f"{name} is the account of a person",
                SERVICE,
                "give the bot another name, or rename the person",
            )
        changes = creation(BOT, fields)
        if test:
            view.plan("account", name)
    else:
        revived = {"enabled": {"old": False, "new": True}} if found["delete_at"] else {}
        changes = {**revived, **diff(BOT, fields, found)}
    if changes and not test:
        _write_bot(view, name, found, fields, changes)
        view.changed("bots")
        view.changed("people")
    return changes


def _write_bot(view: View, name: str, found: Row | None, fields: Mapping[str, Any], changes: Changes) -> None:
    if found is None:
        view.api.create_bot({"username": name, **body(BOT, fields)})
        return
    if "enabled" in changes:
        view.api.switch_bot(found["user_id"], True)
    others = body(BOT, fields, set(changes) - {"enabled"})
    if others:
        view.api.change_bot(found["user_id"], {"username": name, **others})


def remove_bot(view: View, given: str, test: bool = False) -> Changes:
    """Disable a bot; returns what changed or would change. Its tokens end, and come back with it."""
    name = user_name(given)
    found = view.bots().get(name)
    if found is None or found["delete_at"]:
        return {}
    if not test:
        view.api.switch_bot(found["user_id"], False)
        view.changed("bots")
    return removal(name)


def _role(member: Row | None) -> str:
    if member is None:
        return "absent"
    return "administrator" if member.get("scheme_admin") else "member"


def apply_members(
    view: View,
    users: Iterable[str],
    team: str,
    channel: str | None = None,
    administrator: bool | None = None,
    test: bool = False,
) -> Changes:
    """
    Make accounts members of a team, or of one of its channels; returns what changed or would change.

    administrator
        Whether they administer it; ``None`` leaves that as it is.

    Raises :class:`Missing` for who or what isn't there, before anybody is added.
    """
    names = [user_name(one) for one in users]
    place, found = _place(view, team, channel)
    known = _known(view, names)
    members = view.members(place, found["id"]) if found else {}
    if channel:
        _check_in_team(view, team, names, known)
    changes: Changes = {}
    for name in names:
        old = _role(members.get(known[name]["id"]) if name in known else None)
        new = old if old != "absent" else "member"
        if administrator is not None:
            new = "administrator" if administrator else "member"
        if old != new:
            changes[name] = {"old": old, "new": new}
        if test and not channel:
            view.plan("member", team, name)
    if changes and not test and found:
        _write_members(view, place, found["id"], changes, known)
    return changes


def _write_members(view: View, place: str, place_id: str, changes: Changes, known: dict[str, Row]) -> None:
    added = [known[name]["id"] for name, change in changes.items() if change["old"] == "absent"]
    add = view.api.add_team_members if place == "teams" else view.api.add_channel_members
    try:
        add(place_id, added)
        for name, change in changes.items():
            if change["new"] == "administrator" or change["old"] == "administrator":
                user_id = known[name]["id"]
                view.api.set_member_role(place, place_id, user_id, change["new"] == "administrator")
    finally:
        view.changed(place, place_id, "members")


def remove_members(
    view: View, users: Iterable[str], team: str, channel: str | None = None, test: bool = False
) -> Changes:
    """Take accounts out of a team, or out of one of its channels; returns what changed or would change."""
    names = [user_name(one) for one in users]
    try:
        place, found = _place(view, team, channel)
    except Missing:
        return {}
    if found is None:
        return {}
    members = view.members(place, found["id"])
    people = view.people()
    changes: Changes = {}
    for name in names:
        user_id = people.get(name, {}).get("id")
        if user_id not in members:
            continue
        changes[name] = {"old": _role(members[user_id]), "new": "absent"}
        if not test:
            view.api.remove_member(place, found["id"], user_id)
    if changes and not test:
        view.changed(place, found["id"], "members")
    return changes


def _place(view: View, team: str, channel: str | None) -> tuple[str, Row | None]:
    if channel:
        return "channels", usable_channel(view, channel, team)
    return "teams", view.team(team_name(team))


def _known(view: View, names: list[str]) -> dict[str, Row]:
    people = view.people()
    unknown = [name for name in names if name not in people and not view.planned("account", name)]
    if unknown:
        raise Missing(f"there is no account {', '.join(unknown)}", SERVICE, nearest(people, unknown[0]))
    return {name: people[name] for name in names if name in people}


def _check_in_team(view: View, team: str, names: list[str], known: dict[str, Row]) -> None:
    place = view.team(team)
    there = view.members("teams", place["id"]) if place else {}
    outside = [
        name
        for name in names
        if not view.planned("member", team, name) and (name not in known or known[name]["id"] not in there)
    ]
    if outside:
        raise Missing(
            f"{', '.join(outside)} can't be in a channel of the team {team} without being in the team",
            SERVICE,
            "declare that with itstack_mattermost.member_present without a channel, and require it",
        )
