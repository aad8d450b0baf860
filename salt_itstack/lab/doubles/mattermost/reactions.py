"""Reactions to posts."""

import re

from salt_itstack.lab.doubles.mattermost.errors import Problem, forbidden, invalid_body
from salt_itstack.lab.doubles.mattermost.posts import post_of
from salt_itstack.lab.doubles.mattermost.routing import OK, route
from salt_itstack.lab.doubles.mattermost.values import is_id, now


def _key(user_id, post_id, name):
    return f"{user_id}:{post_id}:{name}"


@route("POST", "/reactions")
def add(call):
    given = call.json("reaction")
    if not is_id(given.get("user_id")) or not is_id(given.get("post_id")) or not given.get("emoji_name"):
        raise invalid_body("reaction")
    if given["user_id"] != call.user_id:
        raise forbidden()
    call.parts["post_id"] = given["post_id"]
    post = post_of(call)
    # Which emojis exist isn't known here: any name that could be one does.
    if not re.fullmatch(r"[a-zA-Z0-9_+-]+", given["emoji_name"]):
        raise Problem("app.emoji.get_by_name.no_result")
    key, stamp = _key(call.user_id, post["id"], given["emoji_name"]), now()
    kept = call.store.get("reactions", key)
    reaction = {"user_id": call.user_id, "post_id": post["id"], "emoji_name": given["emoji_name"],
                "create_at": kept["create_at"] if kept else stamp, "update_at": stamp, "delete_at": 0,
                "remote_id": "", "channel_id": post["channel_id"]}  # fmt: skip
    call.store.put("reactions", key, reaction)
    return {**reaction, "create_at": stamp}


@route("GET", "/posts/{post_id}/reactions")
def listed(call):
    return call.store.find("reactions", post_id=post_of(call)["id"]) or None


@route("DELETE", "/users/{user_id}/posts/{post_id}/reactions/{emoji:emoji}")
def remove(call):
    user_id, post = call.part("user_id"), post_of(call)
    call.need_self(user_id)
    call.store.remove("reactions", _key(user_id, post["id"], call.parts["emoji"]))
    return OK
