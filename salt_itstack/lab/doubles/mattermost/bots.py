"""Bots and personal access tokens."""

from salt_itstack.lab.doubles.mattermost.errors import Problem, forbidden, invalid_body
from salt_itstack.lab.doubles.mattermost.people import set_active
from salt_itstack.lab.doubles.mattermost.routing import OK, Answer, route
from salt_itstack.lab.doubles.mattermost.users import existing, made, save
from salt_itstack.lab.doubles.mattermost.values import new_id, now, token_hash, valid_username


def _bot(call, deleted=True):
    bot = call.store.get("bots", call.part("bot_id"))
    if bot is None or (bot["delete_at"] and not deleted):
        raise Problem("store.sql_bot.get.missing.app_error")
    return bot


@route("POST", "/bots")
def create(call):
    given = call.json("bot")
    call.need_admin()
    if not call.config("ServiceSettings", "EnableBotAccountCreation"):
        raise Problem("api.bot.create_disabled")
    name = str(given.get("username") or "")
    if not valid_username(name):
        raise Problem("model.bot.is_valid.username.app_error")
    shown = str(given.get("display_name") or "")
    person = made(call, {"username": name, "email": f"{name}@localhost", "first_name": shown}, "system_user")
    description = str(given.get("description") or "")
    person.update(is_bot=True, bot_description=description, remote_id=None)
    save(call, person)
    stamp = now()
    bot = {"user_id": person["id"], "username": name, "display_name": shown, "description": description,
           "owner_id": call.user_id, "create_at": stamp, "update_at": stamp, "delete_at": 0}  # fmt: skip
    call.store.put("bots", person["id"], bot)
    return Answer(201, bot)


@route("GET", "/bots", local=True)
def listed(call):
    call.need_admin()
    bots = call.store.find("bots")
    if not call.flag("include_deleted"):
        bots = [bot for bot in bots if not bot["delete_at"]]
    return call.page(bots)


@route("GET", "/bots/{bot_id}", local=True)
def get(call):
    call.need_admin()
    return _bot(call, call.flag("include_deleted"))


@route("PUT", "/bots/{bot_id}", local=True)
def update(call):
    given = call.json("bot")
    call.need_admin()
    bot = _bot(call)
    person = existing(call, bot["user_id"])
    if given.get("username") is not None:
        if not valid_username(given["username"]):
            raise Problem("model.bot.is_valid.username.app_error")
        other = call.store.first("users", username=given["username"])
        if other and other["id"] != person["id"]:
            raise Problem("app.user.save.username_exists.app_error")
    for name in ("username", "display_name", "description"):
        if given.get(name) is not None:
            bot[name] = given[name]
    stamp = now()
    bot["update_at"] = stamp
    person.update(username=bot["username"], first_name=bot["display_name"],
                  bot_description=bot["description"], update_at=stamp)  # fmt: skip
    call.store.put("bots", bot["user_id"], bot)
    save(call, person)
    return bot


def _switch(call, active):
    call.need_admin()
    bot = _bot(call)
    stamp = now()
    bot.update(update_at=stamp, delete_at=0 if active else stamp)
    call.store.put("bots", bot["user_id"], bot)
    set_active(call, existing(call, bot["user_id"]), active)
    return bot


@route("POST", "/bots/{bot_id}/disable", local=True)
def disable(call):
    return _switch(call, False)


@route("POST", "/bots/{bot_id}/enable", local=True)
def enable(call):
    return _switch(call, True)


# -- personal access tokens


def _shown(token):
    return {name: token[name] for name in ("id", "user_id", "description", "is_active")}


@route("POST", "/users/{user_id}/tokens", local=True)
def create_token(call):
    user_id = call.part("user_id")
    given = call.json("user_access_token")
    if not given.get("description"):
        raise invalid_body("description")
    if not call.admin and (
        call.user_id != user_id or "system_user_access_token" not in call.session["roles"].split()
    ):
        raise forbidden()
    person = existing(call, user_id)
    if not person.get("is_bot") and not call.config("ServiceSettings", "EnableUserAccessTokens"):
        raise Problem("app.user_access_token.disabled")
    secret = new_id()
    token = {"id": new_id(), "user_id": user_id, "description": given["description"], "is_active": True,
             "digest": token_hash(secret)}  # fmt: skip
    call.store.put("useraccesstokens", token["id"], token)
    return {**_shown(token), "token": secret}


@route("GET", "/users/{user_id}/tokens", local=True)
def tokens_of(call):
    user_id = call.part("user_id")
    call.need_self(user_id)
    return [_shown(token) for token in call.page(call.store.find("useraccesstokens", user_id=user_id))]


@route("GET", "/users/tokens")
def all_tokens(call):
    call.need_admin()
    return [_shown(token) for token in call.page(call.store.find("useraccesstokens"))]


@route("GET", "/users/tokens/{token_id}")
def token_by_id(call):
    token = call.store.get("useraccesstokens", call.part("token_id"))
    if token is None:
        raise Problem("app.user_access_token.get_by_user.app_error")
    call.need_self(token["user_id"])
    return _shown(token)


def _named_token(call):
    token_id = call.json("body").get("token_id")
    if not token_id:
        raise invalid_body("token_id")
    token = call.store.get("useraccesstokens", token_id)
    if token is None:
        raise Problem("app.user_access_token.get_by_user.app_error")
    call.need_self(token["user_id"])
    call.server.sessions.forget()
    return token


@route("POST", "/users/tokens/revoke", local=True)
def revoke(call):
    call.store.remove("useraccesstokens", _named_token(call)["id"])
    return OK


def _set_token(call, active):
    token = _named_token(call)
    token["is_active"] = active
    call.store.put("useraccesstokens", token["id"], token)
    return OK


@route("POST", "/users/tokens/disable")
def disable_token(call):
    return _set_token(call, False)


@route("POST", "/users/tokens/enable")
def enable_token(call):
    return _set_token(call, True)
