"""What the reactor does with an event: believe it or not, poke, and name the runner to call. Nothing else."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from .. import collecting
from ..errors import ItstackError
from ..keyring import public_key
from ..stack import Stack, load_for
from . import fights
from .announcement import ENFORCED, WRONG, heard
from .pokes import Pokes
from .policy import KINDS
from .record import Record

log = logging.getLogger(__name__)

Reaction = dict[str, Any]


def wrong(opts: Mapping[str, Any], data: Mapping[str, Any]) -> Reaction:
    """
    A minion says that something of its own is wrong.

    opts
        The master's options.
    data
        The event's data.

    Returns what a reactor SLS returns. Never raises: Salt would only log it.
    """
    try:
        said = _heard(opts, data, WRONG)
        if said is None:
            return {}
        minion, content = said
        what, kind, side = (str(content.get(key, "")) for key in ("what", "kind", "side"))
        if kind not in KINDS or not concerns(load_for(opts), minion, what):
            log.info("itstack: %s says something of %r, which isn't its own", minion, what[:60])
            return {}
        side = side if side in ("source", "target") else ""
        if Pokes.of(opts).put(what, kind=kind, side=side, by=minion, why=kind):
            return call(what)
    except ItstackError as error:
        log.error("itstack: %s", error)
    return {}


def enforced(opts: Mapping[str, Any], data: Mapping[str, Any]) -> Reaction:
    """A minion says what its scheduled enforcement changed: recorded, so that fights are seen."""
    try:
        said = _heard(opts, data, ENFORCED)
        if said is None:
            return {}
        minion, changes = said
        stack = load_for(opts)
        own = {state: found for state, found in changes.items() if fights.owner(stack, minion, state)}
        if Record.of(opts).changed(minion, own, "schedule"):
            return call()
    except ItstackError as error:
        log.error("itstack: %s", error)
    return {}


def made(opts: Mapping[str, Any]) -> Reaction:
    """
    Some minion says that its server made something for others: collected now, whoever says it.

    What is taken is checked by its own signature. However many say so before a collection begins, it is one;
    who says so later is heard by another.
    """
    try:
        if collecting.asked(opts).put(collecting.ALL):
            return {"itstack collect": {"runner.itstack.collect": [{"args": [{"by": "event"}]}]}}
    except ItstackError as error:
        log.error("itstack: %s", error)
    return {}


def concerns(stack: Stack, minion: str, what: str) -> bool:
    """Whether a service or an integration has an end on a minion."""
    if what in stack.services:
        return what in stack.services_on(minion)
    return what in {end.integration.id for end in stack.ends_on(minion)}


def call(what: str = "") -> Reaction:
    """The reaction that calls the runner."""
    given: list[dict[str, Any]] = [{"what": what}] if what else []
    return {
        f"itstack repair {what}".strip(): {"runner.itstack.remediate": [{"args": [*given, {"by": "event"}]}]},
    }


def _heard(opts: Mapping[str, Any], data: Mapping[str, Any], subject: str) -> Any:
    found = heard(data, subject, lambda minion: public_key(opts, minion), time.time())
    if isinstance(found, str):
        log.info("itstack: an event isn't believed: %s", found)
        return None
    return found
