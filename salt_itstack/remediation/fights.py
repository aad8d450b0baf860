"""
Fights: somebody else keeps changing what we keep putting back.

A put-back is one field of one state that was brought from another value to ours. When the same field of the
same state is put back to the same value for the second time within a day, that is a fight. Values of ours
that differ are no fight: then the map was changed. A process that was started again isn't one either: what
falls over has no other opinion.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..stack import Stack

DAY = 86400.0
#: Put-backs within a day that make a fight.
TWICE = 2
#: Characters of a value that are kept.
SHOWN = 300
#: How Salt's own states for files tell that a file had another content.
DIFF = "diff"

Row = dict[str, Any]


def put_backs(minion: str, changes: Mapping[str, Any], by: str, at: float) -> list[Row]:
    """
    What a run put back.

    changes
        By state id, as the states returned them.
    by
        Who ran it: ``repair`` or ``schedule``.
    """
    rows = []
    for state, fields in changes.items():
        if not isinstance(fields, Mapping):
            continue
        for field, value in fields.items():
            row: Row = {"minion": minion, "state": str(state), "field": str(field), "by": by, "at": at}
            if isinstance(value, Mapping) and {"old", "new"} <= set(value):
                rows.append({**row, "old": shown(value["old"]), "new": shown(value["new"])})
            elif field == DIFF:
                rows.append({**row, "old": shown(value), "new": "the declared content"})
    return rows


def shown(value: Any) -> str:
    """A value in the length that a person reads."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def fought(history: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]], now: float) -> list[Row]:
    """
    The put-backs among the new ones that make a fight, each with the ``times`` it was put back within a day.
    """
    seen: dict[tuple[Any, ...], int] = {}
    for row in history:
        if now - row["at"] < DAY:
            seen[_same(row)] = seen.get(_same(row), 0) + 1
    found = []
    for row in new:
        times = seen.get(_same(row), 0) + 1
        if times >= TWICE:
            found.append({**row, "times": times})
    return found


def _same(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (row["minion"], row["state"], row["field"], row["new"])


def without(history: Iterable[Row], settled: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The history without those that a fight was made of: after it, counting begins anew."""
    gone = {_same(row) for row in settled}
    return [row for row in history if _same(row) not in gone]


def owner(stack: Stack, minion: str, state: str) -> str:
    """The integration or service that a state's id names before its colon; empty where it names none."""
    name = state.split(":", 1)[0]
    if name in stack.integrations and minion in {stack.minion(end) for end in ends(stack, name)}:
        return name
    return name if name in stack.services and stack.minion(name) == minion else ""


def ends(stack: Stack, integration: str) -> tuple[str, str]:
    """The services at both ends."""
    item = stack.integration(integration)
    return (item.source, item.target)


def told(row: Mapping[str, Any]) -> str:
    """A fight in a sentence, with both values."""
    return (
        f"{row['state']}: {row['field']} on {row['minion']} was put back {row['times']} times within a day; "
        f"ours is {row['new']}, somebody else's {row['old']}"
    )
