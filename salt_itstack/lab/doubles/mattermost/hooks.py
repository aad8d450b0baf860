"""Incoming hooks as objects."""

from salt_itstack.lab.doubles.mattermost import membership
from salt_itstack.lab.doubles.mattermost.channels import channel_of, may_read
from salt_itstack.lab.doubles.mattermost.errors import Problem, forbidden, invalid_body
from salt_itstack.lab.doubles.mattermost.routing import OK, Answer, route
from salt_itstack.lab.doubles.mattermost.users import existing
from salt_itstack.lab.doubles.mattermost.values import new_id, now, valid_username

_GONE = "app.webhooks.get_incoming.app_error"


def _need_on(call):
    if not call.config("ServiceSettings", "EnableIncomingWebhooks"):
        raise Problem("api.incoming_webhook.disabled.app_error")


def need_right(call, team_id):
    """Raise a 403 unless the caller may manage the team's hooks: its administrators."""
    if not (call.admin or membership.is_team_admin(call, team_id)):
        raise forbidden()


def _hook(call):
    hook = call.store.get("incomingwebhooks", call.part("hook_id"))
    if hook is None:
        raise Problem(_GONE)
    need_right(call, hook["team_id"])
    return hook


def _fill(call, hook, given):
    """Set a hook's own fields. What may not be overridden stays as it is."""
    hook.update(
        channel_id=given.get("channel_id") or "", display_name=str(given.get("display_name") or ""),
        description=str(given.get("description") or ""), channel_locked=bool(given.get("channel_locked")),
    )  # fmt: skip
    if call.config("ServiceSettings", "EnablePostUsernameOverride"):
        hook["username"] = str(given.get("username") or "")
        if hook["username"] and not valid_username(hook["username"]):
            raise Problem("api.incoming_webhook.invalid_username.app_error")
    if call.config("ServiceSettings", "EnablePostIconOverride"):
        hook["icon_url"] = str(given.get("icon_url") or "")
    for name, most, error in (
        ("display_name", 64, "model.incoming_hook.display_name.app_error"),
        ("description", 500, "model.incoming_hook.description.app_error"),
        ("icon_url", 1024, "model.incoming_hook.icon_url.app_error"),
    ):
        if len(hook[name]) > most:
            raise Problem(error)


@route("POST", "/hooks/incoming", local=True)
def create(call):
    given = call.json("incoming_webhook")
    channel = channel_of(call, given.get("channel_id") or "")
    owner = given.get("user_id") or call.user_id
    if not owner:
        raise invalid_body("user_id")
    need_right(call, channel["team_id"])
    if not may_read(call, channel):
        raise forbidden()
    if owner != call.user_id:
        existing(call, owner)
    _need_on(call)
    stamp = now()
    hook = {"id": new_id(), "create_at": stamp, "update_at": stamp, "delete_at": 0, "user_id": owner,
            "channel_id": channel["id"], "team_id": channel["team_id"], "username": "",
            "icon_url": ""}  # fmt: skip
    _fill(call, hook, given)
    call.store.put("incomingwebhooks", hook["id"], hook)
    return Answer(201, hook)


@route("GET", "/hooks/incoming", local=True)
def listed(call):
    team_id = call.query.get("team_id", "")
    if not call.admin and not (team_id and membership.is_team_admin(call, team_id)):
        raise forbidden()
    _need_on(call)
    hooks = call.store.find("incomingwebhooks", **({"team_id": team_id} if team_id else {}))
    page = call.page(hooks)
    if call.flag("include_total_count"):
        return {"incoming_webhooks": page, "total_count": len(hooks)}
    return page


@route("GET", "/hooks/incoming/{hook_id}", local=True)
def get(call):
    hook = _hook(call)
    _need_on(call)
    return hook


@route("PUT", "/hooks/incoming/{hook_id}", local=True)
def update(call):
    given = call.json("incoming_webhook")
    if given.get("id") != call.part("hook_id"):
        raise invalid_body("hook_id")
    hook = _hook(call)
    if given.get("team_id") and given["team_id"] != hook["team_id"]:
        raise Problem("api.webhook.team_mismatch.app_error")
    channel = channel_of(call, given.get("channel_id") or "")
    if not may_read(call, channel):
        raise forbidden()
    _need_on(call)
    _fill(call, hook, given)
    hook["update_at"] = now()
    call.store.put("incomingwebhooks", hook["id"], hook)
    return Answer(201, hook)


@route("DELETE", "/hooks/incoming/{hook_id}", local=True)
def delete(call):
    hook = _hook(call)
    _need_on(call)
    call.store.remove("incomingwebhooks", hook["id"])
    return OK
