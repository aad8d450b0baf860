"""Channels: making, finding, changing, archiving."""

from salt_itstack.lab.doubles.mattermost import membership, messages
from salt_itstack.lab.doubles.mattermost.errors import Problem, forbidden, invalid_body
from salt_itstack.lab.doubles.mattermost.routing import OK, Answer, route
from salt_itstack.lab.doubles.mattermost.teams import need_manage, need_view, team_by_name, team_of
from salt_itstack.lab.doubles.mattermost.users import existing
from salt_itstack.lab.doubles.mattermost.values import CHANNEL_NAME, is_id, now

_LONGEST_NAME = 64
_TAKEN = "store.sql_channel.save_channel.exists.app_error"


def channel_of(call, channel_id=None):
    """The channel of the path, or with an id. Raises a 404."""
    wanted = call.part("channel_id") if channel_id is None else channel_id
    channel = call.store.get("channels", wanted) if wanted else None
    if channel is None:
        raise Problem("app.channel.get.existing.app_error", name=wanted)
    return channel


def may_read(call, channel):
    """Whether the caller may see the channel."""
    if call.admin or membership.channel_member(call, channel["id"], call.user_id):
        return True
    return channel["type"] == "O" and membership.in_team(call, channel["team_id"], call.user_id)


def may_manage(call, channel):
    """Whether the caller may change the channel: any member of it, administrators."""
    return call.admin or bool(membership.channel_member(call, channel["id"], call.user_id))


def _keep(call, channel):
    channel["update_at"] = now()
    call.store.put("channels", channel["id"], channel)
    return channel


def _check(channel):
    if len(channel["display_name"]) > 64:
        raise Problem("model.channel.is_valid.display_name.app_error")
    if not CHANNEL_NAME.fullmatch(channel["name"]):
        raise Problem("model.channel.is_valid.1_or_more.app_error")
    if channel["type"] not in ("O", "P"):
        raise Problem("model.channel.is_valid.type.app_error")
    if len(channel["header"]) > 1024:
        raise Problem("model.channel.is_valid.header.app_error")
    if len(channel["purpose"]) > 250:
        raise Problem("model.channel.is_valid.purpose.app_error")


def _need_free(call, channel):
    taken = call.store.first("channels", team_id=channel["team_id"], name=channel["name"])
    if taken and taken["id"] != channel["id"]:
        raise Problem(_TAKEN)


@route("POST", "/channels", local=True)
def create(call):
    given = call.json("channel")
    team_id = given.get("team_id") or ""
    if not given.get("display_name"):
        raise invalid_body("display_name")
    channel = membership.new_channel(
        team_id, str(given.get("name") or ""), given["display_name"], given.get("type") or "", call.user_id
    )
    channel.update(header=str(given.get("header") or ""), purpose=str(given.get("purpose") or ""))
    if not call.admin and not membership.in_team(call, team_id, call.user_id):
        raise forbidden()
    if not is_id(team_id) or call.store.get("teams", team_id) is None:
        raise Problem("app.channel.get_channels.not_found.app_error")
    _check(channel)
    if len(channel["name"]) > _LONGEST_NAME:
        # The real server leaves it to the database's column.
        raise Problem("app.channel.create_channel.internal_error")
    _need_free(call, channel)
    call.store.put("channels", channel["id"], channel)
    answer = dict(channel)
    if call.session:
        membership.join_channel(call, channel, existing(call, call.user_id), admin=True)
    return Answer(201, answer)


@route("POST", "/channels/direct")
def create_direct(call):
    given = call.json("user_ids", of=str)
    if len(given) != 2 or not all(is_id(one) for one in given):
        raise invalid_body("user_ids")
    if not call.admin and call.user_id not in given:
        raise forbidden()
    return Answer(201, direct(call, *given))


def direct(call, one, other):
    """The direct channel of two persons, made when it's missing."""
    name = "__".join(sorted((one, other)))
    found = call.store.first("channels", team_id="", name=name)
    if found:
        return found
    channel = membership.new_channel("", name, "", "D", call.user_id)
    channel["shared"] = False
    call.store.put("channels", channel["id"], channel)
    for user_id in {one, other}:
        membership.join_channel(call, channel, existing(call, user_id), silent=True)
    return channel


def _ordered(channels):
    return sorted(channels, key=lambda channel: channel["display_name"])


@route("GET", "/channels", local=True)
def listed(call):
    call.need_admin()
    channels = [one for one in call.store.find("channels") if one["type"] in ("O", "P")]
    if not call.flag("include_deleted"):
        channels = [one for one in channels if not one["delete_at"]]
    teams = {team["id"]: team for team in call.store.find("teams")}
    channels.sort(key=lambda one: (one["display_name"], teams[one["team_id"]]["display_name"]))
    found = []
    for channel in call.page(channels):
        team = teams[channel["team_id"]]
        found.append({**channel, "team_display_name": team["display_name"], "team_name": team["name"],
                      "team_update_at": team["update_at"]})  # fmt: skip
    if call.flag("include_total_count"):
        return {"channels": found, "total_count": len(channels)}
    return found


@route("GET", "/channels/{channel_id}", local=True)
def get(call):
    channel = channel_of(call)
    if not may_read(call, channel):
        raise forbidden()
    return channel


def _named(call, team, name):
    channel = call.store.first("channels", team_id=team["id"], name=name)
    gone = channel and channel["delete_at"] and not call.flag("include_deleted")
    if channel is None or gone or not may_read(call, channel):
        raise Problem("app.channel.get_by_name.missing.app_error")
    return channel


@route("GET", "/teams/name/{team:name}/channels/name/{channel:name}", local=True)
def by_names(call):
    return _named(call, team_by_name(call, call.parts["team"]), call.parts["channel"])


@route("GET", "/teams/{team_id}/channels/name/{channel:name}", local=True)
def by_name(call):
    return _named(call, team_of(call), call.parts["channel"])


def _of_team(call, **fields):
    team = team_of(call)
    need_view(call, team)
    return _ordered(call.store.find("channels", team_id=team["id"], **fields))


@route("GET", "/teams/{team_id}/channels", local=True)
def public_of_team(call):
    return call.page(_of_team(call, type="O", delete_at=0))


@route("GET", "/teams/{team_id}/channels/private", local=True)
def private_of_team(call):
    call.need_admin()
    return call.page(_of_team(call, type="P", delete_at=0))


@route("GET", "/teams/{team_id}/channels/deleted", local=True)
def archived_of_team(call):
    return call.page([one for one in _of_team(call) if one["delete_at"] and may_read(call, one)])


@route("GET", "/users/{user_id}/teams/{team_id}/channels")
def of_person(call):
    user_id = call.part("user_id")
    call.need_self(user_id)
    found = [
        one for one in _of_team(call, delete_at=0) if membership.channel_member(call, one["id"], user_id)
    ]
    newest = max(found, key=lambda one: one["last_post_at"], default={"id": "0", "last_post_at": 0})
    tag = f"10.11.6.{newest['id']}.{newest['last_post_at']}.0.{len(found)}"
    return Answer(200, found, [("Etag", tag)])


@route("PUT", "/channels/{channel_id}/patch", local=True)
def patch(call):
    channel = channel_of(call)
    given = call.json("channel")
    if not may_manage(call, channel):
        raise forbidden()
    if channel["delete_at"]:
        raise Problem("app.channel.update.bad_id")
    before = dict(channel)
    for name in ("display_name", "name", "header", "purpose", "group_constrained"):
        if given.get(name) is not None:
            channel[name] = given[name]
    _check(channel)
    _need_free(call, channel)
    answer = dict(_keep(call, channel))
    _tell(call, before, channel)
    return answer


def _tell(call, before, channel):
    """Post about what was changed."""
    if not call.session:
        return
    person = existing(call, call.user_id)
    for name, kind, word in (
        ("display_name", "system_displayname_change", "channel display name"),
        ("header", "system_header_change", "channel header"),
        ("purpose", "system_purpose_change", "channel purpose"),
    ):
        if before[name] != channel[name]:
            text = f"{person['username']} updated the {word} from: {before[name]} to: {channel[name]}"
            messages.system(call, channel, person, kind, text,
                            **{f"old_{name}": before[name], f"new_{name}": channel[name]})  # fmt: skip


@route("PUT", "/channels/{channel_id}/privacy", local=True)
def privacy(call):
    channel = channel_of(call)
    wanted = call.json("body").get("privacy")
    if wanted not in ("O", "P"):
        raise invalid_body("privacy")
    if not may_manage(call, channel):
        raise forbidden()
    channel["type"] = wanted
    answer = dict(_keep(call, channel))
    if call.session:
        word = "a Private Channel" if wanted == "P" else "a Public Channel"
        messages.system(call, channel, existing(call, call.user_id), "system_change_chan_privacy",
                        f"This channel has been converted to {word}.")  # fmt: skip
    return answer


@route("DELETE", "/channels/{channel_id}", local=True)
def delete(call):
    channel = channel_of(call)
    if not may_manage(call, channel):
        raise forbidden()
    if call.flag("permanent"):
        if not (call.local or call.config("ServiceSettings", "EnableAPIChannelDeletion")):
            raise Problem("api.user.delete_channel.not_enabled.app_error")
        membership.forget_channel(call, channel["id"])
        return OK
    if channel["delete_at"]:
        raise Problem("api.channel.delete_channel.deleted.app_error")
    if channel["name"] == "town-square":
        raise Problem("api.channel.delete_channel.cannot.app_error", name=channel["name"])
    if call.session:
        person = existing(call, call.user_id)
        messages.system(call, channel, person, "system_channel_deleted",
                        f"{person['username']} archived the channel.")  # fmt: skip
        channel = channel_of(call, channel["id"])
    channel["delete_at"] = now()
    _keep(call, channel)
    # The hooks of an archived channel are gone for good, whatever becomes of the channel.
    for table in ("incomingwebhooks", "outgoingwebhooks"):
        for hook in call.store.find(table, channel_id=channel["id"]):
            call.store.remove(table, hook["id"])
    return OK


@route("POST", "/channels/{channel_id}/restore", local=True)
def restore(call):
    channel = channel_of(call)
    need_manage(call, channel["team_id"])
    if not channel["delete_at"]:
        raise Problem("api.channel.restore_channel.restored.app_error")
    channel["delete_at"] = 0
    answer = dict(_keep(call, channel))
    if call.session:
        person = existing(call, call.user_id)
        messages.system(call, channel, person, "system_channel_restored",
                        f"{person['username']} unarchived the channel.")  # fmt: skip
    return answer
