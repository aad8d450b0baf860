"""The record as people read it: what runs, what was done, what is left alone, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..locks import clock
from . import fights
from .pokes import Pokes
from .policy import INTERRUPTED, RUNNING

Row = dict[str, Any]


def overview(whole: Mapping[str, Any], pokes: Pokes, last: int) -> dict[str, Any]:
    """
    The record as data: ``running``, ``attempts`` (the last ones, newest first), ``left`` (what is wrong and
    isn't repaired) and ``fights``.

    whole
        What :meth:`.record.Record.read` gives.
    last
        How many attempts.
    """
    attempts = [_told(row, pokes) for row in reversed(whole["attempts"])]
    return {
        "running": [row for row in attempts if row["result"] == RUNNING],
        "attempts": [row for row in attempts if row["result"] != RUNNING][:last],
        "left": [
            {
                "what": what,
                "verdict": found["verdict"],
                "reason": found["reason"],
                "since": clock(found["first"]),
                "times": found["times"],
            }
            for what, found in sorted(whole["decisions"].items())
        ],
        "fights": [{"when": clock(row["at"]), "told": fights.told(row)} for row in reversed(whole["fights"])][
            :last
        ],
    }


def _told(row: Mapping[str, Any], pokes: Pokes) -> Row:
    found = {**row, "begun": clock(row["begun"]), "ended": clock(row["ended"]) if row["ended"] else None}
    found["seconds"] = round(row["ended"] - row["begun"], 1) if row["ended"] else None
    if row["result"] == RUNNING and not pokes.worked_on(row["what"]):
        found["result"] = INTERRUPTED
    return found


def lines(found: Mapping[str, Any]) -> list[str]:
    """The overview for a terminal; nothing where nothing was ever done."""
    told = [f"repair running: {row['what']}: {row['step']}, since {row['begun']}" for row in found["running"]]
    told += [
        f"repair at {row['ended'] or row['begun']}: {row['what']} ({row['kind']}): {row['step']}: "
        f"{row['result']}. {' '.join(str(row.get('detail') or '').split())}"
        for row in found["attempts"]
    ]
    told += [f"not repaired since {row['since']}: {row['what']}: {row['reason']}" for row in found["left"]]
    told += [f"fight at {row['when']}: {row['told']}" for row in found["fights"]]
    return told
