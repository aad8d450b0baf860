"""
The matrix: one row for each integration, and what is known of it.

States are the map's: ``works``, ``drifted``, ``broken``, ``unproved``, ``not deployed``, ``not applicable``.
"""

from __future__ import annotations

import json
import pathlib
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import atomic
from .stack import STATUSES, Stack

Row = dict[str, Any]

#: Rows in these states make a run fail.
BAD = frozenset({"broken", "drifted"})
COLOURS = {
    "works": "32",
    "drifted": "33",
    "broken": "31",
    "unproved": "36",
    "not deployed": "90",
    "not applicable": "90",
}
SIGNS = {
    "works": "✔",
    "drifted": "≠",
    "broken": "✘",
    "unproved": "?",
    "not deployed": "·",
    "not applicable": "–",
}


def now() -> str:
    """The present time, UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def rows(stack: Stack, proofs: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """
    One row for each integration of the map, in the order of their numbers.

    proofs
        What the last probes said, by integration id: ``state``, ``reason``, ``against``, ``proved_at``.

    An integration that should work and of which nothing is known is ``unproved``.
    """
    result = []
    for item in stack.integrations.values():
        row: Row = {
            "number": item.number,
            "id": item.id,
            "kind": item.kind,
            "source": item.source,
            "target": item.target,
            "state": "unproved",
            "proved_at": None,
            "against": None,
            "reason": "no probe has run yet",
        }
        if not stack.active(item.id):
            row["state"], row["reason"] = stack.why_inactive(item.id)
        elif item.id in proofs:
            row.update({key: proofs[item.id].get(key) for key in ("state", "reason", "against", "proved_at")})
        result.append(row)
    return result


def mark_held(found: Iterable[Row], held: Callable[[str], str]) -> None:
    """
    Say in each row why it's left alone for now: ``held``, which is ``None`` where it isn't.

    held
        The reason by the integration's id, or an empty text.
    """
    for row in found:
        row["held"] = held(row["id"]) or None


def retcode(found: Iterable[Row]) -> int:
    """0 iff no row is broken or drifted."""
    return int(any(row["state"] in BAD for row in found))


def counts(found: Iterable[Row]) -> dict[str, int]:
    """How many rows are in each state; states without a row are left out."""
    states = [row["state"] for row in found]
    return {state: states.count(state) for state in STATUSES if state in states}


def table(found: list[Row], width: int = 100, colour: bool = False, whole: bool = False) -> str:
    """
    The matrix for a terminal.

    width
        Columns of the terminal.
    whole
        Also the rows that aren't deployed or applicable, one line each; else only how many they are.
    """
    idle = ("not deployed", "not applicable")
    shown = [row for row in found if whole or row["state"] not in idle]
    lines = [f"{'':2} {'#':>2}  {'integration':<24} {'state':<14} {'proved':<9} against / why"]
    for row in shown:
        state = row["state"]
        when = (row["proved_at"] or "")[11:19]
        detail = " ".join(((row["against"] if state == "works" else row["reason"]) or "").split())
        if row.get("held"):
            detail = f"[held] {detail}".strip()
        text = f"{SIGNS[state]:2} {row['number']:>2}  {row['id']:<24} {state:<14} {when:<9} {detail}"
        text = _fold(text, width, 56)
        lines.append(f"\033[{COLOURS[state]}m{text}\033[0m" if colour else text)
    summary = ", ".join(f"{number} {state}" for state, number in counts(found).items())
    lines += ["", f"{len(found)} integrations: {summary or 'none'}"]
    if len(shown) < len(found):
        lines.append("Why the others aren't deployed: salt-run itstack.status whole=True")
    return "\n".join(lines)


def _fold(text: str, width: int, indent: int) -> str:
    if len(text) <= width or width <= indent + 20:
        return text
    lines, rest = [], text
    while len(rest) > width:
        cut = rest.rfind(" ", indent, width)
        cut = width if cut <= indent else cut
        lines.append(rest[:cut])
        rest = " " * indent + rest[cut:].strip()
    return "\n".join([*lines, rest])


def remember(path: pathlib.Path, proofs: Mapping[str, Mapping[str, Any]]) -> None:
    """Write down what was proved, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"version": 1, "proofs": dict(proofs)}, indent=1, sort_keys=True)
    atomic.write(path, text.encode())


def recall(path: pathlib.Path) -> dict[str, dict[str, Any]]:
    """What was proved last; nothing where that was never written, or can't be read any more."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["proofs"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: row for key, row in found.items() if isinstance(row, dict)}
