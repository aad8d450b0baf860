"""Outgoing hooks: as objects, and sending them out."""

import ipaddress
import json
import logging
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request

from salt_itstack.lab.doubles.mattermost import membership, messages
from salt_itstack.lab.doubles.mattermost.channels import channel_of
from salt_itstack.lab.doubles.mattermost.errors import Problem, forbidden, invalid_body
from salt_itstack.lab.doubles.mattermost.routing import OK, Answer, route
from salt_itstack.lab.doubles.mattermost.store import DatabaseDown
from salt_itstack.lab.doubles.mattermost.values import new_id, now

LOG = logging.getLogger(__name__)
_DISABLED = "api.outgoing_webhook.disabled.app_error"
_FORM = "application/x-www-form-urlencoded"


def _need_on(call):
    if not call.config("ServiceSettings", "EnableOutgoingWebhooks"):
        raise Problem(_DISABLED)


def _need_right(call, team_id):
    if not (call.admin or membership.is_team_admin(call, team_id)):
        raise forbidden()


def _hook(call):
    hook = call.store.get("outgoingwebhooks", call.part("hook_id"))
    if hook is None:
        raise Problem("app.webhooks.get_outgoing.app_error")
    _need_right(call, hook["team_id"])
    return hook


def _check(call, hook):
    if hook["channel_id"]:
        channel = channel_of(call, hook["channel_id"])
        if channel["type"] != "O" or channel["team_id"] != hook["team_id"]:
            raise Problem(_DISABLED, 403)
    elif not hook["trigger_words"]:
        raise Problem("api.webhook.create_outgoing.triggers.app_error")
    for other in call.store.find("outgoingwebhooks", team_id=hook["team_id"], channel_id=hook["channel_id"]):
        if (
            other["id"] != hook["id"]
            and set(other["callback_urls"]) & set(hook["callback_urls"])
            and (set(other["trigger_words"]) & set(hook["trigger_words"]))
        ):
            raise Problem("api.webhook.create_outgoing.intersect.app_error")
    urls = hook["callback_urls"]
    if not urls or not all(str(url).startswith(("http://", "https://")) for url in urls):
        raise Problem("model.outgoing_hook.is_valid.url.app_error")


@route("POST", "/hooks/outgoing", local=True)
def create(call):
    given = call.json("outgoing_webhook")
    creator = call.user_id or given.get("creator_id")
    if not creator:
        raise invalid_body("creator_id")
    team_id = given.get("team_id") or ""
    _need_right(call, team_id)
    _need_on(call)
    stamp = now()
    hook = {
        "id": new_id(), "token": new_id(), "create_at": stamp, "update_at": stamp, "delete_at": 0,
        "creator_id": creator, "team_id": team_id, "channel_id": given.get("channel_id") or "",
        "trigger_words": given.get("trigger_words") or [], "trigger_when": given.get("trigger_when") or 0,
        "callback_urls": given.get("callback_urls") or [],
        **{name: str(given.get(name) or "") for name in
           ("display_name", "description", "content_type", "username", "icon_url")},
    }  # fmt: skip
    _check(call, hook)
    call.store.put("outgoingwebhooks", hook["id"], hook)
    return Answer(201, hook)


@route("GET", "/hooks/outgoing", local=True)
def listed(call):
    call.need_admin()
    _need_on(call)
    fields = {name: call.query[name] for name in ("team_id", "channel_id") if call.query.get(name)}
    return call.page(call.store.find("outgoingwebhooks", **fields))


@route("GET", "/hooks/outgoing/{hook_id}", local=True)
def get(call):
    hook = _hook(call)
    _need_on(call)
    return hook


@route("PUT", "/hooks/outgoing/{hook_id}", local=True)
def update(call):
    given = call.json("outgoing_webhook")
    if given.get("id") != call.part("hook_id"):
        raise invalid_body("hook_id")
    hook = _hook(call)
    for name in ("channel_id", "trigger_words", "trigger_when", "callback_urls", "display_name",
                 "description", "content_type", "username", "icon_url"):  # fmt: skip
        if name in given:
            hook[name] = given[name]
    _check(call, hook)
    hook["update_at"] = now()
    call.store.put("outgoingwebhooks", hook["id"], hook)
    return hook


@route("POST", "/hooks/outgoing/{hook_id}/regen_token")
def regenerate(call):
    hook = _hook(call)
    hook.update(token=new_id(), update_at=now())
    call.store.put("outgoingwebhooks", hook["id"], hook)
    return hook


@route("DELETE", "/hooks/outgoing/{hook_id}", local=True)
def delete(call):
    call.store.remove("outgoingwebhooks", _hook(call)["id"])
    return OK


# -- sending


def trigger(call, channel, person, post):
    """Send what a new post sets off, once it's kept."""
    if channel["type"] != "O" or not call.config("ServiceSettings", "EnableOutgoingWebhooks"):
        return
    team = call.store.get("teams", channel["team_id"])
    for hook in call.store.find("outgoingwebhooks", team_id=channel["team_id"]):
        if hook["channel_id"] not in ("", channel["id"]):
            continue
        word = _word(hook, post["message"])
        if word is None:
            continue
        told = {
            "token": hook["token"], "team_id": team["id"], "team_domain": team["name"],
            "channel_id": channel["id"], "channel_name": channel["name"], "timestamp": post["create_at"],
            "user_id": person["id"], "user_name": person["username"], "post_id": post["id"],
            "text": post["message"], "trigger_word": word, "file_ids": "",
        }  # fmt: skip
        for url in hook["callback_urls"]:
            call.server.after.append(_sending(call, hook, channel, url, told))


def _word(hook, message):
    """The word that sets a hook off: "" for a hook without words, None when there's none."""
    first = message.split(" ")[0] if message else ""
    if not hook["trigger_words"]:
        return ""
    for word in hook["trigger_words"]:
        if first == word or (hook["trigger_when"] == 1 and first.startswith(word)):
            return word
    return None


def _sending(call, hook, channel, url, told):
    return lambda: threading.Thread(target=_send, args=(call, hook, channel, url, told), daemon=True).start()


def _send(call, hook, channel, url, told):
    if not allowed(call.config, url):
        LOG.error("outgoing hook %s: AllowedUntrustedInternalConnections lacks the address", hook["id"])
        return
    if hook["content_type"] == "application/json":
        kind, body = "application/json", json.dumps(told, separators=(",", ":"))
    else:
        kind = _FORM
        told = {**told, "timestamp": told["timestamp"] // 1000}
        body = urllib.parse.urlencode(sorted(told.items()))
    request = urllib.request.Request(url, body.encode(), {
        "Content-Type": kind, "Accept": "application/json", "User-Agent": "Mattermost-Bot/1.1"})  # fmt: skip
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        seconds = call.config("ServiceSettings", "OutgoingIntegrationRequestsTimeout")
        with opener.open(request, timeout=seconds) as answer:
            _take(call, hook, channel, answer.read())
    except (OSError, urllib.error.URLError, ValueError, DatabaseDown) as error:
        LOG.error("outgoing hook %s: %s", hook["id"], error)


def _take(call, hook, channel, body):
    """Post what the other side answered."""
    answer = json.loads(body) if body else {}
    if not isinstance(answer, dict) or not (answer.get("text") or answer.get("attachments")):
        return
    props = {"from_webhook": "true", "webhook_display_name": hook["display_name"]}
    if answer.get("attachments"):
        props["attachments"] = messages.attachments(answer["attachments"])
    with call.store.transaction():
        messages.make(call, channel, hook["creator_id"], answer.get("text") or "", props=props)


def allowed(config, url):
    """Whether the server may connect there: private addresses only when the configuration names them."""
    host = urllib.parse.urlsplit(url).hostname or ""
    named = config("ServiceSettings", "AllowedUntrustedInternalConnections").replace(",", " ").split()
    if host in named:
        return True
    try:
        found = {ipaddress.ip_address(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except (OSError, ValueError):
        return False
    networks = []
    for name in named:
        try:
            networks.append(ipaddress.ip_network(name, strict=False))
        except ValueError:
            continue
    return all(one.is_global or any(one in network for network in networks) for one in found)
