"""Who is in a channel."""

from salt_itstack.lab.doubles.mattermost import membership
from salt_itstack.lab.doubles.mattermost.channels import channel_of, may_manage, may_read
from salt_itstack.lab.doubles.mattermost.errors import Problem, forbidden, invalid_body
from salt_itstack.lab.doubles.mattermost.routing import OK, Answer, route
from salt_itstack.lab.doubles.mattermost.users import existing
from salt_itstack.lab.doubles.mattermost.values import is_id

_MOST = 1000
_MISSING = "app.channel.get_member.missing.app_error"


@route("GET", "/channels/{channel_id}/members", local=True)
def listed(call):
    channel = channel_of(call)
    if not may_read(call, channel):
        raise forbidden()
    found = call.store.find("channelmembers", channel_id=channel["id"])
    return [membership.shown_channel(one) for one in call.page(sorted(found, key=lambda one: one["user_id"]))]


@route("GET", "/channels/{channel_id}/members/{user_id}")
def get(call):
    channel = channel_of(call)
    if not may_read(call, channel):
        raise forbidden()
    found = membership.channel_member(call, channel["id"], call.part("user_id"))
    if found is None:
        raise Problem(_MISSING)
    return membership.shown_channel(found)


@route("POST", "/channels/{channel_id}/members", local=True)
def add(call):
    channel = channel_of(call)
    given = call.json("member")
    several = given.get("user_ids")
    if not several and not is_id(given.get("user_id")):
        raise invalid_body("user_id or user_ids")
    if several and len(several) > _MOST:
        raise invalid_body("user_ids")
    joins_itself = given.get("user_id") == call.user_id and channel["type"] == "O" and may_read(call, channel)
    if not may_manage(call, channel) and not joins_itself:
        raise forbidden()
    if several:
        people = [call.store.get("users", one) for one in several]
        return Answer(201, [_joined(call, channel, person) for person in people if person])
    return Answer(201, _joined(call, channel, existing(call, given["user_id"])))


def _joined(call, channel, person):
    if not membership.in_team(call, channel["team_id"], person["id"]):
        raise Problem("app.team.get_member.missing.app_error")
    return membership.shown_channel(membership.join_channel(call, channel, person))


@route("DELETE", "/channels/{channel_id}/members/{user_id}", local=True)
def remove(call):
    channel = channel_of(call)
    user_id = call.part("user_id")
    if call.user_id != user_id and not may_manage(call, channel):
        raise forbidden()
    person = existing(call, user_id)
    if membership.channel_member(call, channel["id"], user_id) is None:
        raise Problem(_MISSING)
    membership.leave_channel(call, channel, person)
    return OK


@route("PUT", "/channels/{channel_id}/members/{user_id}/schemeRoles")
def scheme_roles(call):
    channel, user_id = channel_of(call), call.part("user_id")
    given = call.json("scheme_roles")
    own = membership.channel_member(call, channel["id"], call.user_id)
    if not (call.admin or (own and own["scheme_admin"])):
        raise forbidden()
    found = membership.channel_member(call, channel["id"], user_id)
    if found is None:
        raise Problem(_MISSING)
    found.update(scheme_user=bool(given.get("scheme_user")), scheme_admin=bool(given.get("scheme_admin")))
    membership.keep_channel_member(call, found)
    return OK
