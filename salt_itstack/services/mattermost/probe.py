"""Proof that what was sent to a channel is there, by the interface that people use."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from typing import Any

from ...errors import Missing
from .api import PAGE, Mattermost, Row
from .ready import SERVICE
from .resources import channel_name, team_name

#: How many pages of a channel are looked through: a busy one may have written a lot since.
PAGES = 25
#: Seconds that a post may take to appear after its sender was answered, and between two looks for it.
PATIENCE = 5.0
PAUSE = 0.5


def find_message(
    profile: Mapping[str, Any],
    team: str,
    channel: str,
    mark: str,
    remove: bool = False,
    patience: float = PATIENCE,
) -> str:
    """
    When the newest post that holds a mark was written, in UTC.

    profile
        As of :class:`~.api.Mattermost`, with an account.
    team, channel
        Names.
    mark
        A word that nobody else writes.
    remove
        Take the post away again.
    patience
        Seconds to wait for it.

    Raises :class:`Missing` where there is none among the newest posts even then.
    """
    with Mattermost(profile) as server:
        place = server.channel_by_name(team_name(team), channel_name(channel))
        found = _awaited(server, place["id"], mark, patience)
        if found is None:
            raise Missing(
                f"no message with the mark {mark} is in {channel} of the team {team}",
                SERVICE,
                "see whether the hook belongs to another channel, and what its sender's log says",
            )
        if remove:
            server.delete_post(found["id"])
    when = datetime.datetime.fromtimestamp(found["create_at"] / 1000, datetime.UTC)
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


def _awaited(server: Mattermost, channel_id: str, mark: str, patience: float) -> Row | None:
    deadline = time.monotonic() + patience
    found = _newest(server, channel_id, mark)
    while found is None and time.monotonic() < deadline:
        time.sleep(PAUSE)
        # What comes now is among the newest: the older pages were looked through.
        found = _newest(server, channel_id, mark, pages=1)
    return found


def _newest(server: Mattermost, channel_id: str, mark: str, pages: int = PAGES) -> Row | None:
    for number in range(pages):
        rows = server.posts(channel_id, page=number)
        for row in rows:
            if mark in str(row["message"]) or mark in str(row.get("props") or ""):
                return row
        if len(rows) < PAGE:
            return None
    return None
