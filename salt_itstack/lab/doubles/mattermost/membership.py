"""Who belongs to which team and channel, and what the server posts about it."""

from salt_itstack.lab.doubles.mattermost import messages
from salt_itstack.lab.doubles.mattermost.values import new_id, now

DEFAULT_CHANNELS = (("town-square", "Town Square"), ("off-topic", "Off-Topic"))
_NOTIFY = {"channel_auto_follow_threads": "off", "desktop": "default", "email": "default",
           "ignore_channel_mentions": "default", "mark_unread": "all", "push": "default"}  # fmt: skip


def _key(*parts):
    return ":".join(parts)


def _roles(member, place):
    return " ".join(f"{place}_{role}" for role in ("user", "admin") if member[f"scheme_{role}"])


# -- teams


def team_member(call, team_id, user_id):
    """The membership, past ones included, or None."""
    return call.store.get("teammembers", _key(team_id, user_id))


def in_team(call, team_id, user_id):
    """Whether the person is a member now."""
    found = team_member(call, team_id, user_id)
    return bool(found and not found["delete_at"])


def is_team_admin(call, team_id):
    """Whether the caller administers the team."""
    found = team_member(call, team_id, call.user_id)
    return bool(found and not found["delete_at"] and found["scheme_admin"])


def keep_team_member(call, member):
    """Keep a membership."""
    call.store.put("teammembers", _key(member["team_id"], member["user_id"]), member)


def shown_team(member):
    """A membership as it's answered."""
    return {"team_id": member["team_id"], "user_id": member["user_id"], "roles": _roles(member, "team"),
            "delete_at": member["delete_at"], "scheme_guest": False, "scheme_user": member["scheme_user"],
            "scheme_admin": member["scheme_admin"], "explicit_roles": ""}  # fmt: skip


def join_team(call, team_id, person, admin=False):
    """Make the person a member, of the team's default channels as well."""
    member = team_member(call, team_id, person["id"])
    if member and not member["delete_at"]:
        return member
    member = {"team_id": team_id, "user_id": person["id"], "delete_at": 0, "scheme_user": True,
              "scheme_admin": admin}  # fmt: skip
    keep_team_member(call, member)
    for name, _ in DEFAULT_CHANNELS:
        channel = call.store.first("channels", team_id=team_id, name=name)
        if channel and not channel_member(call, channel["id"], person["id"]):
            join_channel(call, channel, person, joined=True)
    return member


def leave_team(call, member):
    """End a membership, and those of the team's channels."""
    if member["delete_at"]:
        return
    for channel in call.store.find("channels", team_id=member["team_id"]):
        call.store.remove("channelmembers", _key(channel["id"], member["user_id"]))
    member["delete_at"] = now()
    keep_team_member(call, member)


def forget_team(call, team_id):
    """Remove a team for good, with all that is in it."""
    for channel in call.store.find("channels", team_id=team_id):
        forget_channel(call, channel["id"])
    for identity, _ in call.store.items("teammembers", team_id=team_id):
        call.store.remove("teammembers", identity)
    call.store.remove("teams", team_id)


# -- channels


def new_channel(team_id, name, display_name, kind, creator):
    """A channel's fields."""
    stamp = now()
    return {
        "id": new_id(), "create_at": stamp, "update_at": stamp, "delete_at": 0, "team_id": team_id,
        "type": kind, "display_name": display_name, "name": name, "header": "", "purpose": "",
        "last_post_at": 0, "total_msg_count": 0, "extra_update_at": 0, "creator_id": creator,
        "scheme_id": None, "props": None, "group_constrained": None, "shared": None,
        "total_msg_count_root": 0, "policy_id": None, "last_root_post_at": 0, "banner_info": None,
        "policy_enforced": False, "default_category_name": "",
    }  # fmt: skip


def default_channels(call, team):
    """Make the channels that every team begins with."""
    for name, shown in DEFAULT_CHANNELS:
        channel = new_channel(team["id"], name, shown, "O", "")
        call.store.put("channels", channel["id"], channel)


def channel_member(call, channel_id, user_id):
    """The membership, or None."""
    return call.store.get("channelmembers", _key(channel_id, user_id))


def keep_channel_member(call, member):
    """Keep a membership."""
    call.store.put("channelmembers", _key(member["channel_id"], member["user_id"]), member)


def shown_channel(member):
    """A membership as it's answered."""
    return {**member, "roles": _roles(member, "channel"), "scheme_guest": False, "explicit_roles": ""}


def join_channel(call, channel, person, admin=False, joined=False, silent=False):
    """Make the person a member, and post about it."""
    member = channel_member(call, channel["id"], person["id"])
    if member:
        return member
    own = admin or joined
    member = {
        "channel_id": channel["id"], "user_id": person["id"], "last_viewed_at": 0 if own else -1,
        "msg_count": 0, "mention_count": 0, "mention_count_root": 0, "urgent_mention_count": 0,
        "msg_count_root": 0, "notify_props": dict(_NOTIFY), "last_update_at": now() if own else -1,
        "scheme_user": True, "scheme_admin": admin,
    }  # fmt: skip
    keep_channel_member(call, member)
    if silent:
        return member
    if own or person["id"] == call.user_id or not call.session:
        messages.system(
            call, channel, person, "system_join_channel", f"{person['username']} joined the channel."
        )
    else:
        by = call.store.get("users", call.user_id)
        text = f"{person['username']} added to the channel by {by['username']}."
        messages.system(call, channel, by, "system_add_to_channel", text)
        kept = {**member, "mention_count": 1, "mention_count_root": 1}
        keep_channel_member(call, kept)
    return member


def leave_channel(call, channel, person):
    """End a membership, and post about it."""
    call.store.remove("channelmembers", _key(channel["id"], person["id"]))
    kind = "system_leave_channel" if person["id"] == call.user_id else "system_remove_from_channel"
    word = "left the channel." if person["id"] == call.user_id else "removed from the channel."
    messages.system(call, channel, person, kind, f"{person['username']} {word}")


def forget_channel(call, channel_id):
    """Remove a channel for good."""
    for table in ("channelmembers", "incomingwebhooks", "outgoingwebhooks", "posts"):
        for identity, _ in call.store.items(table, channel_id=channel_id):
            call.store.remove(table, identity)
    call.store.remove("channels", channel_id)
