"""Posting through an incoming hook: ``POST /hooks/ID``."""

import email
import email.policy
import json
import re
import urllib.parse

from salt_itstack.lab.doubles.mattermost import membership, messages
from salt_itstack.lab.doubles.mattermost.channels import direct
from salt_itstack.lab.doubles.mattermost.errors import Problem
from salt_itstack.lab.doubles.mattermost.routing import Answer
from salt_itstack.lab.doubles.mattermost.store import DatabaseDown

_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_JSON = "application/json"


class _Refused(Exception):
    """Carries the status that a refused post is answered with."""


def post(call, hook_id):
    """Answer a post to a hook."""
    media = (call.headers.get("Content-Type") or "").split(";")[0].strip().lower()
    media = media if media in (_FORM, _MULTIPART) else _JSON
    try:
        payload = _payload(call, media)
    except (ValueError, TypeError, AttributeError):
        raise Problem("web.incoming_webhook.decode.app_error", media=media, name=hook_id) from None
    try:
        with call.store.transaction():
            _deliver(call, hook_id, payload)
    except _Refused as refusal:
        status = refusal.args[0]
        raise Problem("web.incoming_webhook.general.app_error", status, media=media, name=hook_id) from None
    except DatabaseDown:
        raise Problem("web.incoming_webhook.general.app_error", 500, media=media, name=hook_id) from None
    return Answer(200, "ok", kind="text/plain")


def _payload(call, media):
    # The limit cuts the body, so that what is too large can't be decoded.
    if len(call.body) > call.config("ServiceSettings", "MaximumPayloadSizeBytes") + 60:
        raise ValueError
    if media == _FORM:
        value = (
            json.loads(urllib.parse.parse_qs(call.body.decode())["payload"][0])
            if _has_payload(call)
            else None
        )
    elif media == _MULTIPART:
        value = _multipart(call)
    else:
        value = json.loads(call.body)
    if not isinstance(value, dict) or not isinstance(value.get("attachments") or [], list):
        raise ValueError
    if not all(isinstance(one, dict) for one in value.get("attachments") or []):
        raise ValueError
    for name in ("text", "username", "icon_url", "channel", "type", "icon_emoji"):
        if not isinstance(value.get(name) or "", str):
            raise ValueError
    return value


def _has_payload(call):
    return "payload" in urllib.parse.parse_qs(call.body.decode())


def _multipart(call):
    """Fields of a form by their names; a field ``payload`` isn't read as JSON."""
    head = f"Content-Type: {call.headers['Content-Type']}\r\n\r\n".encode()
    fields = {
        part.get_param("name", header="content-disposition"): part.get_content().strip("\r\n")
        for part in email.message_from_bytes(head + call.body, policy=email.policy.default).iter_parts()
    }
    if not {"text", "channel", "username", "icon_url", "icon_emoji", "type"} & set(fields):
        raise ValueError
    return fields


def _deliver(call, hook_id, payload):
    if not call.config("ServiceSettings", "EnableIncomingWebhooks"):
        raise _Refused(501)
    hook = call.store.get("incomingwebhooks", hook_id)
    if hook is None:
        raise _Refused(400)
    text, given = payload.get("text") or "", payload.get("attachments") or []
    if not text and not given:
        raise _Refused(400)
    kind = payload.get("type") or ""
    if kind and not kind.startswith("custom_"):
        raise _Refused(400)
    channel = _channel(call, hook, payload.get("channel") or "")
    member = membership.channel_member(call, channel["id"], hook["user_id"])
    owner = call.store.get("users", hook["user_id"])
    if channel["type"] == "P" and not member and not (owner and "system_admin" in owner["roles"].split()):
        raise _Refused(403)
    _write(call, hook, channel, payload, kind)


def _channel(call, hook, wanted):
    own = call.store.get("channels", hook["channel_id"])
    if not wanted:
        channel = own
    elif wanted.startswith("@"):
        person = call.store.first("users", username=wanted[1:].lower())
        if person is None:
            raise _Refused(400)
        channel = direct(call, hook["user_id"], person["id"])
    else:
        name = wanted.removeprefix("#")
        channel = call.store.first("channels", team_id=hook["team_id"], name=name)
        if channel is None or channel["delete_at"]:
            raise _Refused(404)
    if hook["channel_locked"] and channel["id"] != own["id"]:
        raise _Refused(403)
    return channel


def plain(text):
    """Slack's marks in Mattermost's: links, and mentions of everybody."""
    text = re.sub(r"<!(\w+)>", r"@\1", text)
    return re.sub(r"<([^|<>]+)\|([^<>]+)>", r"[\2](\1)", text)


def _write(call, hook, channel, payload, kind):
    props = {**(payload.get("props") or {}), "from_webhook": "true",
             "webhook_display_name": hook["display_name"]}  # fmt: skip
    if call.config("ServiceSettings", "EnablePostUsernameOverride"):
        name = payload.get("username") or hook["username"]
        props.update({"override_username": name} if name else {})
    if call.config("ServiceSettings", "EnablePostIconOverride"):
        icon = payload.get("icon_url") or hook["icon_url"]
        props.update({"override_icon_url": icon} if icon else {})
        if payload.get("icon_emoji"):
            props["override_icon_emoji"] = payload["icon_emoji"]
    if payload.get("attachments"):
        props["attachments"] = messages.attachments(payload["attachments"])
        kind = kind or "slack_attachment"
    text = plain(payload.get("text") or "")
    parts = [text[at : at + messages.LONGEST] for at in range(0, len(text), messages.LONGEST)] or [""]
    for number, part in enumerate(parts, 1):
        last = number == len(parts)
        kept = props if last else {name: value for name, value in props.items() if name != "attachments"}
        messages.make(call, channel, hook["user_id"], part, props=kept, type=kind if last else "")
