"""
Works pokes off: looks again, decides, repairs step by step, records, tells people.

One worker at a time for each thing, and one run at a time on each server. What an event said is only the
reason to look: nothing is repaired that the worker hasn't found to be wrong itself.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import Conflict, ItstackError, Unreachable
from ..fleet import Fleet
from ..holds import Holds
from ..locks import Locks
from ..stack import Stack
from . import fights
from .look import WELL, WRONG
from .pokes import Poke, Pokes
from .policy import (
    ALERT,
    ASKED,
    BROKE,
    LEAVE,
    REPAIR,
    REPAIRED,
    STILL_WRONG,
    WAIT,
    Decision,
    Settings,
    Step,
    decide,
    ladder,
)
from .record import Record

log = logging.getLogger(__name__)

#: Seconds that a worker waits for a pause to end, or a server to be free, before it leaves the poke lying.
PATIENCE = 60.0
#: Seconds that a step may take at the longest, and the lock for it.
LONGEST = 900
#: Seconds between two looks at a thing that keeps being poked.
SETTLE = 5.0
#: What a look says of something that has no silent proof.
UNSEEN = "nothing of it can be looked at without being seen; it was asked for"


@dataclass
class Master:
    """What a worker needs of the master it runs on."""

    stack: Stack
    fleet: Fleet
    locks: Locks
    holds: Holds
    record: Record
    pokes: Pokes
    jid: str = ""
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    @classmethod
    def of(cls, opts: Mapping[str, Any], stack: Stack, jid: str) -> Master:
        """The master with these options."""
        return cls(
            stack, Fleet(opts), Locks.of(opts), Holds.of(opts), Record.of(opts), Pokes.of(opts), jid
        )  # fmt: skip


@dataclass
class Outcome:
    """What came of one poke: the last word, and the attempts that were made for it."""

    what: str
    verdict: str
    reason: str
    attempts: list[dict[str, Any]] = field(default_factory=list)


def work(master: Master, person: bool = False, only: Iterable[str] = ()) -> list[Outcome]:
    """
    Work off what is poked, the oldest first; what came of each.

    person
        Somebody asked by hand, for ``only``: pauses and budgets don't count.
    """
    outcomes = []
    first = list(only)
    tried: set[str] = set()
    while True:
        waiting = [what for what in [*first, *master.pokes.waiting()] if what not in tried]
        if not waiting:
            break
        tried.add(waiting[0])
        outcomes += _thing(master, waiting[0], person and waiting[0] in first)
    for row in master.record.untold():
        _hold(master, row)
    return outcomes


def _thing(master: Master, what: str, person: bool) -> list[Outcome]:
    """All pokes of one thing, until there is none left or it has to wait."""
    outcomes: list[Outcome] = []
    again = True
    # Asked once more after the lock is given back: a poke of that moment found it taken.
    while again and (not outcomes or master.pokes.waits(what)):
        if outcomes:
            master.sleep(SETTLE)
        with master.pokes.working(what) as free:
            if not free:
                return outcomes or [Outcome(what, WAIT, "another worker is at it")]
            master.record.interrupted(what)
            poke = master.pokes.take(what)
            if poke is None:
                break
            outcome = _poked(master, poke, person)
            outcomes.append(outcome)
            again = outcome.verdict not in (WAIT, ALERT)
            (master.pokes.done if outcome.verdict != WAIT else master.pokes.back)(what)
    return outcomes


def _poked(master: Master, poke: Poke, person: bool) -> Outcome:
    what = poke["what"]
    try:
        if what not in master.stack.services and what not in master.stack.integrations:
            return Outcome(what, LEAVE, "the map has it no more")
        return _repaired(master, poke, person)
    except ItstackError as error:
        log.error("itstack: %s isn't repaired: %s", what, error)
        return Outcome(what, LEAVE, str(error))


def _repaired(master: Master, poke: Poke, person: bool) -> Outcome:
    what, stack = poke["what"], master.stack
    steps = ladder(stack, what, str(poke.get("side") or ""))
    settings = Settings.of(stack)
    deadline = master.clock() + PATIENCE
    attempts: list[dict[str, Any]] = []
    while True:
        hold = _held(master, what)
        decision = decide(what, steps, master.record.attempts(), settings, master.clock(), hold, person)
        if decision.verdict in (LEAVE, ALERT):
            return _left(master, what, decision, attempts)
        trouble = _look(master, what)
        if not trouble.wrong:
            master.record.settled(what)
            return Outcome(what, attempts[-1]["result"] if attempts else WELL, trouble.reason, attempts)
        if trouble.reason:
            return _left(master, what, Decision(LEAVE, trouble.reason), attempts)
        if decision.verdict == WAIT and decision.until <= deadline:
            master.sleep(max(decision.until - master.clock(), 0.1))
            continue
        if decision.verdict != REPAIR or decision.step is None:
            return _left(master, what, decision, attempts)
        try:
            attempts.append(_attempt(master, poke, decision.step, trouble.told))
        except Conflict as error:
            if master.clock() >= deadline:
                return Outcome(what, WAIT, str(error), attempts)
            master.sleep(2)
            continue
        if attempts[-1]["result"] == REPAIRED:
            return Outcome(what, REPAIRED, attempts[-1]["detail"], attempts)


def _left(master: Master, what: str, decision: Decision, attempts: list[dict[str, Any]]) -> Outcome:
    """Nothing more is done about it: recorded, and told where a person has to look."""
    fresh = master.record.decided(what, decision.verdict, decision.reason)
    if fresh and decision.verdict == ALERT:
        log.warning("itstack: %s is wrong and isn't repaired: %s", what, decision.reason)
        _post(master, f"**Not repaired** {what}: {decision.reason}. A person has to look at it.")
    return Outcome(what, decision.verdict, decision.reason, attempts)


@dataclass
class _Trouble:
    """What a look found: whether it's wrong, in which words, and why it is left alone all the same."""

    wrong: bool
    told: str = ""
    reason: str = ""


def _look(master: Master, what: str) -> _Trouble:
    """How a thing is, and all that comes before it."""
    stack = master.stack
    present = set(stack.deployable())
    before = _before(stack, what)
    integrations = [name for name in (what, *before) if name in stack.integrations]
    services = {name for name in (what, *before) if name in present}
    own = _minions(stack, [what])
    answers = master.fleet.ask(
        own | _minions(stack, before),
        "itstack.look",
        timeout=12,
        services=sorted(services),
        integrations=integrations,
    )
    found = [row for rows in answers.values() if isinstance(rows, list) for row in rows]
    said = [row for row in found if row["what"] == what]
    wrong = [row for row in said if row["state"] == WRONG]
    first = sorted({row["what"] for row in found if row["what"] in before and row["state"] == WRONG})
    told = "; ".join(row["reason"] for row in wrong)
    # Of what comes before, only a bad word counts: a minion that is away says nothing of its servers.
    silent = sorted(own - set(answers))
    if silent:
        return _Trouble(
            True, told, f"no answer from {', '.join(silent)}; it is looked at again once it's back"
        )
    if said and not wrong:
        unknown = "; ".join(row["reason"] for row in said if row["state"] != WELL)
        return _Trouble(False, reason=unknown)
    if first:
        return _Trouble(True, told, f"{', '.join(first)}, which it needs, is wrong too; that comes first")
    if not said and what in stack.services:
        return _Trouble(False, reason="its minion doesn't know it")
    return _Trouble(True, told or UNSEEN)


def _before(stack: Stack, what: str) -> list[str]:
    """
    What has to be well before a thing can be.

    A service: what it needs, and the integrations that it waits for. An integration: its ends with all that
    they need, except for the one that waits, which may be down just because the integration is broken.
    """
    if what in stack.services:
        waited = [item.id for item in stack.integrations.values() if item.consumer == what]
        return [*stack.needs(what), *(name for name in waited if stack.active(name))]
    item = stack.integrations[what]
    ends = [end for end in fights.ends(stack, what) if end != item.consumer]
    return list(dict.fromkeys([*ends, *(need for end in ends for need in stack.needs(end))]))


def _minions(stack: Stack, things: Iterable[str]) -> set[str]:
    """The minions that can say how things are."""
    found = set()
    for what in things:
        if what in stack.integrations:
            found |= {stack.end_minion(what, side) for side in ("source", "target")}
        elif what in stack.deployable():
            found.add(stack.minion(what))
    return found


def _held(master: Master, what: str) -> str:
    """Why a thing is to be left alone; empty if it isn't."""
    hold = master.holds.covers(master.stack, what)
    return "" if hold is None else f"{hold.reason} (by {hold.by})"


def _attempt(master: Master, poke: Poke, step: Step, told: str) -> dict[str, Any]:
    """One step of the ladder, recorded before and after. Raises :class:`Conflict` on a held server."""
    what = poke["what"]
    minion = master.stack.minion(step.service)
    with master.locks.held([minion], f"repair of {what}", master.jid, LONGEST) as token:
        try:
            master.fleet.wait_until_idle([minion], timeout=PATIENCE)
        except Unreachable as error:
            raise Conflict(str(error)) from None
        number = master.record.begin(
            what=what,
            kind=poke.get("kind") or ASKED,
            why=str(poke.get("why") or ""),
            by=str(poke.get("by") or ""),
            found=told[:500],
            step=step.label,
            minion=minion,
        )
        result, detail = BROKE, "the worker was stopped"
        changes: dict[str, Any] = {}
        try:
            result, detail, changes = _step(master, step, minion, token)
            if result != BROKE or step.action != "restart":
                result, detail = _judged(master, what, result, detail)
        except ItstackError as error:
            detail = str(error)
        finally:
            row = master.record.end(number, result, detail[:1000], changes=_short(changes))
    own = {state: found for state, found in changes.items() if fights.owner(master.stack, minion, state)}
    master.record.changed(minion, own, "repair")
    _post(master, sentence(row), number)
    return row


def _judged(master: Master, what: str, result: str, detail: str) -> tuple[str, str]:
    """What a look says after a step."""
    trouble = _look(master, what)
    if not trouble.wrong:
        return REPAIRED, detail
    if trouble.told == UNSEEN:
        return (REPAIRED if result != BROKE else BROKE), detail
    return (BROKE if result == BROKE else STILL_WRONG), f"{detail}; {trouble.told or trouble.reason}".strip(
        "; "
    )


def _step(master: Master, step: Step, minion: str, token: str) -> tuple[str, str, dict[str, Any]]:
    """Do it: what came of it, in words, with the states' changes by id."""
    if step.action == "restart":
        found = master.fleet.ask([minion], "itstack.restart", timeout=LONGEST, service=step.service)
        answer = found.get(minion)
        if not isinstance(answer, Mapping):
            raise Unreachable(f"{minion} gave no answer to the restart of {step.service} ({answer})"[:300])
        done = "was started again" if answer["restarted"] else "became ready by itself"
        if not answer["ready"]:
            return BROKE, f"{step.service} {done}, and isn't ready: {answer['reason']}", {}
        return REPAIRED, f"{step.service} {done}", {}
    run: dict[str, Any] = {"lock": token, "enforce": True, "services": [step.service]}
    if step.ends is not None:
        run["ends"] = step.ends
    pillar = {"itstack_step": step.service, "itstack_run": run}
    found = master.fleet.ask([minion], "state.highstate", timeout=60, pillar=pillar)
    states = found.get(minion)
    if not isinstance(states, Mapping):
        told = "; ".join(map(str, states)) if isinstance(states, list) else "no answer"
        return BROKE, f"the states couldn't be run: {told}", {}
    changes = {row["__id__"]: row["changes"] for row in states.values() if row.get("changes")}
    failed = [f"{row['__id__']}: {row['comment']}" for row in states.values() if row.get("result") is False]
    detail = f"changed: {', '.join(sorted(changes))}" if changes else "nothing had to be changed"
    if failed:
        return BROKE, f"{detail}; failed: {failed[0]}", changes
    return REPAIRED, detail, changes


def _short(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes as the record keeps them: by state, no longer than a person reads."""
    return {state: fights.shown(fields) for state, fields in changes.items()}


def _hold(master: Master, row: Mapping[str, Any]) -> None:
    """Leave a fight alone from now on, and say so."""
    what = fights.owner(master.stack, row["minion"], row["state"])
    text = fights.told(row)
    if what:
        master.holds.put(what, master.stack.repairs["fight_hold"], f"a fight: {text}", "repair")
        text += f". {what} is left alone now, until `salt-run itstack.release {what}`"
        # So that the minion's own looks and schedule know at once.
        master.fleet.ask([row["minion"]], "saltutil.refresh_pillar", timeout=10)
    log.warning("itstack: a fight: %s", text)
    _post(master, f"**Fight** {text}")


def sentence(row: Mapping[str, Any]) -> str:
    """An attempt as people are told of it."""
    took = row["ended"] - row["begun"]
    said = f", said by {row['by']}" if row["by"] else ""
    return (
        f"**Repair** of {row['what']} on {row['minion']} ({row['kind']}{said}): {row['step']}: "
        f"{row['result']} after {took:.0f} s. {row['detail']}"
    )


def _post(master: Master, text: str, number: int | None = None) -> None:
    """Tell people in the chat; that nobody could be told is recorded, and fails nothing."""
    channel = master.stack.repairs["channel"]
    if not channel or "mattermost" not in master.stack.deployable():
        return
    speaker = master.stack.minion("mattermost")
    try:
        answer = master.fleet.ask(
            [speaker], "itstack_mattermost.post", timeout=15, channel=channel, text=text
        )
        told = answer.get(speaker)
        why = f"{speaker} doesn't answer" if speaker not in answer else ""
        if isinstance(told, str) and ("Error" in told or "is not available" in told or "Remedy" in told):
            why = told[-300:]
    except ItstackError as error:
        why = str(error)
    if number is not None:
        master.record.note(number, posted=why or "posted")
    elif why:
        log.warning("itstack: nobody could be told: %s", why)
