"""Posts: writing, reading, changing, searching."""

from salt_itstack.lab.doubles.mattermost import messages, outgoing
from salt_itstack.lab.doubles.mattermost.channels import channel_of, may_read
from salt_itstack.lab.doubles.mattermost.errors import Problem, forbidden, invalid_body
from salt_itstack.lab.doubles.mattermost.routing import OK, Answer, route
from salt_itstack.lab.doubles.mattermost.teams import need_view, team_of
from salt_itstack.lab.doubles.mattermost.users import existing
from salt_itstack.lab.doubles.mattermost.values import now

_GONE = "app.post.get.app_error"


def post_of(call):
    """The post of the path, if the caller may read it. Raises a 404."""
    post = call.store.get("posts", call.part("post_id"))
    if post is None or post["delete_at"]:
        raise Problem(_GONE)
    if not may_read(call, channel_of(call, post["channel_id"])):
        raise forbidden()
    return post


@route("POST", "/posts", down=Problem("api.context.invalid_param.app_error", name="post.channel_id"))
def create(call):
    given = call.json("post")
    channel = call.store.get("channels", given.get("channel_id") or "")
    if channel is None or not may_read(call, channel):
        raise forbidden()
    again = _again(call, given.get("pending_post_id"))
    if again:
        return Answer(201, again)
    if channel["delete_at"]:
        raise Problem("api.post.create_post.can_not_post_to_deleted.error")
    root = given.get("root_id") or ""
    if root:
        parent = call.store.get("posts", root)
        if parent is None or parent["root_id"] or parent["channel_id"] != channel["id"]:
            raise Problem("api.post.create_post.root_id.app_error")
    message = str(given.get("message") or "")
    if len(message) > messages.LONGEST:
        raise Problem("model.post.is_valid.msg.app_error")
    person = existing(call, call.user_id)
    post = messages.make(
        call, channel, person["id"], message, root_id=root, props=_props(person, given), remote_id="",
        pending_post_id=str(given.get("pending_post_id") or ""), file_ids=[],
    )  # fmt: skip
    if root:
        call.store.put("posts", root, {**parent, "update_at": post["create_at"]})
    outgoing.trigger(call, channel, person, post)
    return Answer(201, {**messages.shown(call, post), "pending_post_id": post["pending_post_id"]})


def _again(call, pending):
    """The post that a repeated ``pending_post_id`` has made already."""
    post = call.store.first("posts", pending_post_id=pending, user_id=call.user_id) if pending else None
    if post is None:
        return None
    shown = messages.shown(call, post)
    del shown["metadata"]
    return shown


def _props(person, given):
    props = dict(given.get("props") or {})
    if props.get("attachments"):
        props["attachments"] = messages.attachments(props["attachments"])
    if person.get("is_bot"):
        props["from_bot"] = "true"
    return props


@route("GET", "/posts/{post_id}")
def get(call):
    post = post_of(call)
    return Answer(200, messages.shown(call, post), [("Etag", f"10.11.6.{post['id']}.{post['update_at']}")])


@route("GET", "/posts/{post_id}/thread")
def thread(call):
    post = post_of(call)
    root = post["root_id"] or post["id"]
    found = [one for one in call.store.find("posts", channel_id=post["channel_id"], delete_at=0)
             if root in (one["id"], one["root_id"])]  # fmt: skip
    return _list(
        call, [one for one in found if one["id"] == root] + [one for one in found if one["id"] != root]
    )


def _list(call, posts, following="", before=""):
    return {"order": [post["id"] for post in posts],
            "posts": {post["id"]: messages.shown(call, post) for post in posts},
            "next_post_id": following, "prev_post_id": before, "first_inaccessible_post_time": 0}  # fmt: skip


@route("GET", "/channels/{channel_id}/posts")
def of_channel(call):
    channel = channel_of(call)
    if not may_read(call, channel):
        raise forbidden()
    every = call.store.find("posts", channel_id=channel["id"])
    newest = sorted((post for post in every if not post["delete_at"]), key=lambda post: -post["create_at"])
    if call.query.get("since", "").isdigit():
        since = int(call.query["since"])
        return _list(call, [post for post in newest if post["update_at"] > since])
    tag = f"10.11.6.{max((post['update_at'] for post in every), default=0)}"
    chosen = _chosen(call, newest)
    following, before = _around(newest, chosen)
    return Answer(200, _list(call, chosen, following, before), [("Etag", tag)])


def _chosen(call, newest):
    places = {post["id"]: number for number, post in enumerate(newest)}
    if call.query.get("after") in places:
        oldest_first = newest[: places[call.query["after"]]][::-1]
        return call.page(oldest_first)[::-1]
    if call.query.get("before") in places:
        return call.page(newest[places[call.query["before"]] + 1 :])
    return call.page(newest)


def _around(newest, chosen):
    """Ids of the posts just after and just before those that are answered."""
    if not chosen:
        return "", ""
    places = [post["id"] for post in newest]
    first, last = places.index(chosen[0]["id"]), places.index(chosen[-1]["id"])
    return places[first - 1] if first else "", places[last + 1] if last + 1 < len(places) else ""


def _change(call, post, **fields):
    stamp = now()
    post.update(fields, update_at=stamp, edit_at=stamp)
    call.store.put("posts", post["id"], post)
    return messages.shown(call, post)


def _own(call):
    """The post of the path, if the caller may change it."""
    post = call.store.get("posts", call.part("post_id"))
    if post is None or post["delete_at"] or not (call.admin or post["user_id"] == call.user_id):
        raise forbidden()
    return post


def _fields(call, given, props):
    person = existing(call, call.user_id)
    fields = {}
    if given.get("message") is not None:
        fields["message"] = str(given["message"])
    if given.get("props") is not None:
        fields["props"] = _props(person, given)
    elif props is not None:
        fields["props"] = props
    return fields


@route("PUT", "/posts/{post_id}/patch")
def patch(call):
    given = call.json("post")
    post = _own(call)
    return _change(call, post, **_fields(call, given, None))


@route("PUT", "/posts/{post_id}")
def update(call):
    given = call.json("post")
    if given.get("id") != call.part("post_id"):
        raise invalid_body("id")
    post = _own(call)
    return _change(call, post, **_fields(call, given, {}))


def _pin(call, pinned):
    post = post_of(call)
    post.update(is_pinned=pinned, update_at=now())
    call.store.put("posts", post["id"], post)
    return OK


@route("POST", "/posts/{post_id}/pin")
def pin(call):
    return _pin(call, True)


@route("POST", "/posts/{post_id}/unpin")
def unpin(call):
    return _pin(call, False)


@route("DELETE", "/posts/{post_id}")
def delete(call):
    post = post_of(call)
    if not (call.admin or post["user_id"] == call.user_id):
        raise forbidden()
    stamp = now()
    for one in [post, *call.store.find("posts", root_id=post["id"])]:
        call.store.put("posts", one["id"], {**one, "delete_at": stamp, "update_at": stamp})
    return OK


@route("POST", "/teams/{team_id}/posts/search")
def search(call):
    team = team_of(call)
    given = call.json("body")
    need_view(call, team)
    terms = str(given.get("terms") or "").lower().split()
    if not terms:
        raise invalid_body("terms")
    fits = any if given.get("is_or_search") else all
    found = [
        post for channel in call.store.find("channels", team_id=team["id"], delete_at=0)
        if may_read(call, channel)
        for post in call.store.find("posts", channel_id=channel["id"], delete_at=0)
        if not post["type"].startswith("system_") and fits(term in post["message"].lower() for term in terms)
    ]  # fmt: skip
    found.sort(key=lambda post: -post["create_at"])
    return Answer(200, {**_list(call, found), "matches": None},
                  [("Cache-Control", "no-cache, no-store, must-revalidate")])  # fmt: skip
