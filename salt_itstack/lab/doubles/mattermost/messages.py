"""Posts: how they come into being, whoever writes them."""

from salt_itstack.lab.doubles.mattermost.values import new_id, now

LONGEST = 16383
_NOT_COUNTED = {
    "system_join_channel", "system_leave_channel", "system_add_to_channel", "system_remove_from_channel",
    "system_join_team", "system_leave_team", "system_join_leave", "system_add_remove",
}  # fmt: skip
_ATTACHMENT = {
    "id": 0, "fallback": "", "color": "", "pretext": "", "author_name": "", "author_link": "",
    "author_icon": "", "title": "", "title_link": "", "text": "", "fields": None, "image_url": "",
    "thumb_url": "", "footer": "", "footer_icon": "", "ts": None,
}  # fmt: skip


def attachments(given):
    """Message attachments with all their fields."""
    made = []
    for one in given:
        kept = {**_ATTACHMENT, **{name: value for name, value in one.items() if name in _ATTACHMENT}}
        if kept["fields"]:
            kept["fields"] = [
                {"title": field.get("title", ""), "value": field.get("value"),
                 "short": bool(field.get("short"))} for field in kept["fields"]
            ]  # fmt: skip
        made.append(kept)
    return made


def make(call, channel, user_id, message, **fields):
    """A new post, counted in its channel."""
    stamp = now()
    post = {
        "id": new_id(), "create_at": stamp, "update_at": stamp, "edit_at": 0, "delete_at": 0,
        "is_pinned": False, "user_id": user_id, "channel_id": channel["id"], "root_id": "", "original_id": "",
        "message": message, "type": "", "props": {}, "hashtags": "", "file_ids": [], "pending_post_id": "",
        **fields,
    }  # fmt: skip
    call.store.put("posts", post["id"], post)
    channel = call.store.get("channels", channel["id"])
    channel["last_post_at"] = stamp
    if post["type"] not in _NOT_COUNTED:
        channel["total_msg_count"] += 1
    if not post["root_id"]:
        channel["last_root_post_at"] = stamp
        if post["type"] not in _NOT_COUNTED:
            channel["total_msg_count_root"] += 1
    call.store.put("channels", channel["id"], channel)
    return post


def system(call, channel, person, kind, message, **props):
    """What the server says in a channel about a person's deed."""
    return make(
        call, channel, person["id"], message, type=kind, props={"username": person["username"], **props}
    )


def shown(call, post, replies=None):
    """A post as it's answered."""
    if replies is None:
        replies = call.store.count("posts", root_id=post["root_id"] or post["id"], delete_at=0)
    answer = {**post, "pending_post_id": "", "reply_count": replies, "last_reply_at": 0, "participants": None,
              "metadata": {}}  # fmt: skip
    if post["props"].get("attachments"):
        answer["metadata"] = {"embeds": [{"type": "message_attachment"}]}
    return answer
