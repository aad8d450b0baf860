"""
What to do about something that is wrong: repair it now and how, wait, only say so, or leave it alone.

Pure: the same record, request and time give the same decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..stack import Stack
from ..stack.model import SOURCE, TARGET

HOUR = 3600.0
#: Seconds within which steps of the ladder belong to one incident.
INCIDENT = 900.0
#: How much longer each pause is than the one before.
GROWTH = 2

STOPPED, DRIFTED, FAILED = "stopped", "drifted", "probe failed"
"""What can be wrong: a service isn't ready, an end isn't as declared, a probe doesn't get through."""
RECOVERED = "well again"
"""What a minion says once of something that it had told to be wrong: then it is looked at a last time."""
KINDS = (STOPPED, DRIFTED, FAILED, RECOVERED)
ASKED = "asked for"
"""What a person, or a request from outside, says of a thing: nothing about what is wrong with it."""

REPAIR, WAIT, DAMP, ALERT, LEAVE = "repair", "wait", "damp", "alert", "leave"

RUNNING, REPAIRED, STILL_WRONG, BROKE, INTERRUPTED = (
    "running",
    "repaired",
    "still wrong",
    "failed",
    "interrupted",
)

ENFORCE = "enforce"


@dataclass(frozen=True)
class Settings:
    """What the map says of repairs; times in seconds."""

    cooldown: float = 30
    budget_per_hour: int = 6
    budget_of_all: int = 30
    fight_hold: float = 86400

    @classmethod
    def of(cls, stack: Stack) -> Settings:
        """From the map's ``repairs``."""
        return cls(**{name: stack.repairs[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Step:
    """
    One rung of the ladder.

    action
        ``restart`` the units of a service, ``end``: re-apply one end of an integration, ``alone``: a service
        without its integrations, ``service``: a service with all of them.
    service
        Whose.
    integration, side
        The end, for ``end``.
    """

    action: str
    service: str
    integration: str = ""
    side: str = ""

    @property
    def label(self) -> str:
        """As the record and people call it."""
        if self.action == "end":
            return f"re-apply the {self.side} end of {self.integration} ({self.service})"
        words = {"restart": "restart", "alone": "re-apply alone", "service": "re-apply the whole of"}
        return f"{words[self.action]} {self.service}"

    @property
    def ends(self) -> list[str] | None:
        """The integrations that a run of this step may touch; ``None`` for all."""
        return {"end": [self.integration], "alone": []}.get(self.action)


@dataclass(frozen=True)
class Decision:
    """What to do, why, and until when it stays so (0: until something changes)."""

    verdict: str
    reason: str
    step: Step | None = None
    until: float = 0.0


def ladder(stack: Stack, what: str, side: str = "") -> tuple[Step, ...]:
    """
    The repairs of a service or an integration, the smallest first. Empty where nothing is in mode enforce.

    what
        Id of a service or an integration.
    side
        The end that isn't as declared, where that is known.
    """
    if what in stack.services:
        return _of_service(stack, what)
    item = stack.integration(what)
    first = side or SOURCE
    order = (first, TARGET if first == SOURCE else SOURCE)
    there = stack.deployable()
    free = [end for end in order if stack.mode(what, end) == ENFORCE and getattr(item, end) in there]
    steps = [Step("end", getattr(item, end), what, end) for end in free]
    # Who consumes has more of its own in the way of a proof than who provides.
    last = side or TARGET
    if last in free and stack.services[getattr(item, last)].mode == ENFORCE:
        steps.append(Step("service", getattr(item, last)))
    return tuple(steps)


def _of_service(stack: Stack, what: str) -> tuple[Step, ...]:
    service = stack.services[what]
    if service.mode != ENFORCE or what not in stack.deployable():
        return ()
    steps = [Step("alone", what), Step("service", what)]
    if service.units and not service.external:
        # What isn't ours is neither started nor restarted by us.
        steps.insert(0, Step("restart", what))
    return tuple(steps)


def decide(
    what: str,
    steps: Sequence[Step],
    attempts: Iterable[Mapping[str, Any]],
    settings: Settings,
    now: float,
    hold: str = "",
    person: bool = False,
) -> Decision:
    """
    What to do about something that is wrong right now.

    steps
        Its ladder.
    attempts
        The record, oldest first; those of other things count for the budget of all.
    hold
        Why it is held; empty where it isn't.
    person
        Somebody asks by hand: then neither pauses nor budgets count.
    """
    if hold:
        return Decision(LEAVE, f"it is held: {hold}")
    if not steps:
        return Decision(LEAVE, "nothing of it is in mode enforce, so only a person may repair it")
    recent = [item for item in attempts if now - item["begun"] < HOUR]
    own = [item for item in recent if item["what"] == what]
    if not person:
        spent = _spent(own, recent, settings)
        if spent:
            return Decision(ALERT, spent, until=now + HOUR)
    if not own:
        return Decision(REPAIR, "it is wrong for the first time in this hour", steps[0])
    return _after(own, steps, settings, now, person)


def _spent(own: Sequence[Any], recent: Sequence[Any], settings: Settings) -> str:
    if len(own) >= settings.budget_per_hour:
        return f"{len(own)} repairs of it were tried within the hour, and no more may be"
    if len(recent) >= settings.budget_of_all:
        return f"{len(recent)} repairs in the whole fleet were tried within the hour, and no more may be"
    return ""


def _after(
    own: Sequence[Mapping[str, Any]], steps: Sequence[Step], settings: Settings, now: float, person: bool
) -> Decision:
    """What follows an attempt of the same hour."""
    last = own[-1]
    labels = [step.label for step in steps]
    place = labels.index(last["step"]) if last["step"] in labels else -1
    fresh = now - last["begun"] < INCIDENT
    if last["result"] == INTERRUPTED and fresh and place >= 0:
        return Decision(REPAIR, "the last attempt was interrupted", steps[place])
    ended = last["ended"] or last["begun"]
    if last["result"] != REPAIRED and fresh and place + 1 < len(steps):
        return Decision(REPAIR, "the smaller repair before it wasn't enough", steps[place + 1])
    before = _rounds(own, labels)
    pause = settings.cooldown * GROWTH ** max(before - 1, 0)
    if person or now >= ended + pause:
        return Decision(REPAIR, f"it is wrong again, for {before + 1} times in this hour", steps[0])
    verdict = WAIT if before <= 1 and last["result"] == REPAIRED else DAMP
    why = "it was repaired only just" if last["result"] == REPAIRED else "the whole ladder didn't repair it"
    return Decision(verdict, f"{why}; the pause is {pause:.0f} s now", until=ended + pause)


def _rounds(own: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> int:
    """How many incidents of it have ended within the hour: by a repair, or at the end of the ladder."""
    return sum(item["result"] == REPAIRED or item["step"] == labels[-1] for item in own)
