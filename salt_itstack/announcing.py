"""What the orchestration tells people: through the integrations of which a trigger is its own."""

from __future__ import annotations

import json
import pathlib
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any

from . import atomic, report
from .fleet import Fleet
from .stack import Stack

#: The name that the map has for the trigger.
DEPLOYMENT = "deployment"


def announced_by(stack: Stack) -> list[str]:
    """The active integrations that tell of our deployments."""
    return [
        item.id
        for item in stack.integrations.values()
        if item.orchestration == DEPLOYMENT and stack.active(item.id)
    ]


def sentence(stack: Stack, rows: Iterable[report.Row], failed: bool, seconds: float | None = None) -> str:
    """What is said of a deploy that has ended: how it went, and what works now."""
    counted = report.counts(rows)
    told = ", ".join(
        f"{number} {state}"
        for state, number in counted.items()
        if state in ("works", *report.BAD, "unproved")
    )
    how = "failed" if failed else "finished"
    took = f" in {seconds:.0f} s" if seconds is not None else ""
    return f"**Deployment {how}**{took}: {stack.domain}, integrations: {told or 'none proved'}"


def announce(opts: Mapping[str, Any], stack: Stack, fleet: Fleet, text: str) -> dict[str, str]:
    """
    Say something through every integration that tells of deployments; why it couldn't be said, by id.

    What was said is remembered by its mark, so that a probe can look for it.
    """
    failures = {}
    for identifier in announced_by(stack):
        mark = secrets.token_hex(8)
        why = speak(stack, fleet, identifier, text, mark)
        if why:
            failures[identifier] = why
        else:
            _remember(opts, identifier, mark)
    return failures


def speak(
    stack: Stack, fleet: Fleet, identifier: str, text: str, mark: str, channel: str | None = None
) -> str:
    """Let the minion of the integration's source say something; why it couldn't, or an empty text."""
    speaker = stack.end_minion(identifier, "source")
    answer = fleet.ask(
        [speaker], "itstack.speak", timeout=30, integration=identifier, text=text, mark=mark, channel=channel
    ).get(speaker)
    if answer is None:
        return f"{speaker}, which has to say it, doesn't answer"
    return "" if answer is True else str(answer)[-400:]


def last_mark(opts: Mapping[str, Any], identifier: str) -> dict[str, Any]:
    """``mark`` and ``when`` of what was said last through an integration; empty where nothing was."""
    found = _read(opts).get(identifier)
    return dict(found) if isinstance(found, Mapping) else {}


def _remember(opts: Mapping[str, Any], identifier: str, mark: str) -> None:
    path = _path(opts)
    path.parent.mkdir(parents=True, exist_ok=True)
    said = {**_read(opts), identifier: {"mark": mark, "when": time.time()}}
    atomic.write(path, json.dumps(said).encode())


def _read(opts: Mapping[str, Any]) -> dict[str, Any]:
    try:
        found = json.loads(_path(opts).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _path(opts: Mapping[str, Any]) -> pathlib.Path:
    return pathlib.Path(opts["cachedir"]) / "itstack" / "announced.json"
