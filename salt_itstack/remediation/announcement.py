"""
What a minion says in an event, so that the master can believe it.

Salt checks who sent a message, but not what stands in it: a minion may send a list of events at once, as the
minion itself does for its beacons, and then tag and data, ``id`` included, are as the sender wrote them. So
ours carry a signature by the minion's own key, over all that they say.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import Denied
from ..secrets import seal

#: Seconds by which the clocks of minion and master may differ, the way of the event included.
AGE = 300.0
#: What an event is about.
WRONG, ENFORCED = "wrong", "enforced"
#: Tag of the event that tells what a scheduled enforcement changed.
ENFORCED_TAG = "itstack/enforced"


def announce(opts: Mapping[str, Any], subject: str, content: Mapping[str, Any], at: float) -> dict[str, Any]:
    """
    The data of an event: ``id``, ``said`` and ``signature``.

    opts
        The minion's options.
    subject
        :data:`WRONG` or :data:`ENFORCED`.
    content
        What is said; no secrets.
    at
        Seconds since the epoch.
    """
    said = json.dumps(
        {"id": opts["id"], "subject": subject, "at": at, "content": dict(content)},
        sort_keys=True,
        default=str,
    )
    key = pathlib.Path(opts["pki_dir"]) / "minion.pem"
    try:
        private = key.read_bytes()
    except OSError as error:
        raise Denied(
            f"an event can't be signed, because {key} can't be read ({error.strerror})",
            remedy="run salt-minion as its owner",
        ) from None
    return {"id": opts["id"], "said": said, "signature": seal.sign(said, private)}


def heard(
    data: Mapping[str, Any], subject: str, public_key: Callable[[str], str], now: float
) -> tuple[str, dict[str, Any]] | str:
    """
    Who said what, or a text: why that isn't believed.

    data
        The event's data as they arrived; a single event has them in another ``data``.
    public_key
        Gives the accepted key of a minion as PEM, empty where there is none.
    """
    inner = data.get("data")
    if "said" not in data and isinstance(inner, Mapping):
        data = inner
    said, signature = data.get("said"), data.get("signature")
    if not isinstance(said, str) or not isinstance(signature, str):
        return "it isn't signed"
    try:
        found = json.loads(said)
        minion, at, content = found["id"], float(found["at"]), found["content"]
    except (ValueError, KeyError, TypeError):
        return "it can't be read"
    if not isinstance(minion, str) or not isinstance(content, dict):
        return "it can't be read"
    key = public_key(minion)
    if not key or not seal.signed_by(said, signature, key):
        return f"it isn't signed by {minion[:60]!r}, whose name stands in it"
    if found.get("subject") != subject:
        return f"{minion} said that about something else"
    if abs(now - at) > AGE:
        return f"{minion} said that {now - at:.0f} s ago: either it is old, or a clock is wrong"
    return minion, content
