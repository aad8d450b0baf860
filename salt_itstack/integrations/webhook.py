"""
A hook of the chat: what is sent to its address appears in a channel.

The chat alone makes the address, and the address is the secret. Sources: Mattermost's API reference, "Create
an incoming webhook", and its administrator's guide, "Incoming webhooks".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..errors import Invalid, ItstackError, Problem
from ..http import Session
from ..stack import Integration, Stack
from .probing import Request, Unproved, once_healthy

#: Seconds to connect, and for the answer: whoever speaks waits for it.
PATIENCE = (3.0, 10.0)


def values(stack: Stack, integration: Integration) -> dict[str, Any]:
    """Team and channel of the chat, and the hook's address as a reference."""
    chat = stack.services[integration.target]
    return {
        **integration.settings,
        "team": chat.settings.get("team"),
        "title": f"{integration.source} (salt-itstack)",
        "hook": f"secret://{integration.id}",
        "ca": stack.ca_file,
    }


def speak(values: Mapping[str, Any], text: str, mark: str = "", channel: str | None = None) -> None:
    """
    Send a text to the hook's address.

    values
        Those of the integration, with the address opened.
    mark
        Put behind the text, for whoever looks for it.
    channel
        Another channel of the same team than the hook's own.

    Raises :class:`~salt_itstack.errors.ItstackError` that doesn't show the address.
    """
    parts = urlsplit(str(values["hook"]))
    if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
        raise Invalid(
            Problem("", "hook", None, "what is in the store isn't an address", "deploy the chat again")
        )
    body = {"text": f"{text} ({mark})" if mark else text, **({"channel": channel} if channel else {})}
    http = Session(f"{parts.scheme}://{parts.netloc}", "the chat's hook", ca=values["ca"], timeout=PATIENCE)
    try:
        # The public address leads through the proxy, which may not have seen yet that the chat is there.
        once_healthy(lambda: http.post(parts.path, json=body, shown="(the hook's address)"))
    finally:
        http.close()


def probe(request: Request) -> str:
    """
    Prove that what was said at the source is in the channel: the chat is asked for it by its own interface.
    """
    from ..services.mattermost.probe import find_message

    said = request.said
    if said.get("failed"):
        raise ItstackError(f"nothing can be said through the hook ({said['failed']})", request.integration)
    if not said.get("mark"):
        raise Unproved(
            "nothing was said through it yet, and no channel is named where a probe may post",
            request.integration,
            "deploy, or name one as `sandbox: {channel: …}` in the map",
        )
    tried = said.get("channel")
    channel = tried or request.values["channel"]
    when = find_message(
        request.profile(request.target["service"]), request.values["team"], channel, said["mark"],
        remove=bool(tried),
    )  # fmt: skip
    if tried:
        return f"a message sent to the hook was found in {channel}, and taken away"
    return f"what was said last through the hook was found in {channel} ({when})"
