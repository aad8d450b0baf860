"""
A minion's look at its own things: services, the ends of integrations, and the proofs that are made here.

Everything is read afresh, all at the same time, and the whole look ends at its deadline. What hasn't answered
by then isn't asked again before it has: a server that hangs neither holds the minion up nor gathers threads.
Who looks once hears that it is wrong. Who looks again and again hears that at the second look: what has
answered in between is slow and not broken.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from .. import plugin
from ..errors import Denied, ItstackError, Unreachable
from ..integrations import KINDS, drift_of
from ..integrations.probing import Idle, Unproved, readiness, request_for
from .policy import DRIFTED, ENFORCE, FAILED, STOPPED

log = logging.getLogger(__name__)

WELL, WRONG, UNKNOWN = "well", "wrong", "unknown"
#: Probes that nobody notices.
SILENT = ("read", "write")

#: Seconds for which an answer that came between two looks still counts.
FRESH = 15.0

_asked: dict[tuple[str, str], _Question] = {}
"""Checks that had no answer at the end of a look, by minion and check; their threads live in this process."""


@dataclass(frozen=True)
class Check:
    """
    One thing to look at.

    what
        Id of the service or integration.
    kind
        What is wrong if it raises an :class:`ItstackError`.
    side
        The end, where it is known.
    """

    what: str
    kind: str
    side: str
    run: Callable[[], object]

    @property
    def key(self) -> str:
        """Tells it from the minion's others."""
        return " ".join(part for part in (self.what, self.kind, self.side) if part)


@dataclass(frozen=True)
class Finding:
    """How something is: well, wrong, or unknown, with the reason. No secret stands in it."""

    what: str
    kind: str
    side: str
    state: str
    reason: str = ""

    @property
    def key(self) -> str:
        """That of its check."""
        return Check(self.what, self.kind, self.side, lambda: None).key


class _Drift(ItstackError):
    """An end isn't as declared."""


def checks(
    opts: Mapping[str, Any],
    pillar: Mapping[str, Any],
    services: Collection[str] | None = None,
    integrations: Collection[str] | None = None,
    enforced: bool = True,
) -> list[Check]:
    """
    What a minion can look at.

    services, integrations
        Only these; all by default.
    enforced
        Only what is in mode enforce, and not held.
    """
    tree = plugin.tree(opts, pillar)
    found = []
    for service, own in (tree.get("services") or {}).items():
        free = own["mode"] == ENFORCE and not own.get("held")
        if (services is None or service in services) and (free or not enforced):
            found.append(Check(service, STOPPED, "", partial(readiness, own)))
    for identifier, item in (tree.get("integrations") or {}).items():
        if integrations is None or identifier in integrations:
            found += _of_integration(identifier, item, tree, opts, pillar, enforced)
    return found


def _of_integration(
    identifier: str,
    item: Mapping[str, Any],
    tree: Mapping[str, Any],
    opts: Mapping[str, Any],
    pillar: Mapping[str, Any],
    enforced: bool,
) -> Iterable[Check]:
    def request() -> Any:
        return request_for(
            identifier,
            tree,
            opened=lambda value: plugin.reveal(value, opts, pillar),
            access=lambda service: plugin.profile(service, opts, pillar),
        )

    def drifted(find: Callable[[Any], Mapping[str, Any]]) -> None:
        try:
            changes = find(request())
        except (Unreachable, Denied) as error:
            # Of who doesn't let us look nothing is known; that is the service's own trouble.
            raise Unproved(str(error), identifier) from None
        if changes:
            raise _Drift(f"not as declared: {', '.join(sorted(changes))}")

    held = item.get("held") or {}
    free = [
        side
        for side, mode in item["modes"].items()
        if not enforced or (mode == ENFORCE and not held.get(side))
    ]
    for side in free:
        find = drift_of(item["kind"], side)
        if find is not None:
            yield Check(identifier, DRIFTED, side, partial(drifted, find))
    if item["proved_here"] and item["probe"] in SILENT and "target" in free:
        yield Check(identifier, FAILED, "", lambda: KINDS[item["kind"]].probe(request()))


def look(minion: str, wanted: Iterable[Check], seconds: float, repeated: bool = False) -> list[Finding]:
    """
    How those things are, at the latest after so many seconds.

    minion
        Its id: in a test several live in one process.
    repeated
        Whether the same is looked at again soon: what hasn't answered is unknown then, and wrong only if it
        has no answer at the next look either.
    """
    questions = [_question(minion, check, repeated) for check in wanted]
    deadline = time.monotonic() + seconds
    found = []
    for question in questions:
        slot = (minion, question.check.key)
        question.thread.join(max(deadline - time.monotonic(), 0))
        if question.answer is not None:
            _asked.pop(slot, None)
            found.append(question.answer)
        else:
            _asked[slot] = question
            state = UNKNOWN if repeated and not question.missed else WRONG
            check = question.check
            found.append(Finding(check.what, check.kind, check.side, state, f"no answer in {seconds:g} s"))
            question.missed = True
    return found


class _Question:
    """A check that is being made, and its answer once it has ended."""

    def __init__(self, check: Check, missed: bool) -> None:
        self.check = check
        #: Whether an earlier look has ended without an answer to this or to the one before it.
        self.missed = missed
        self.ended = 0.0
        self.answer: Finding | None = None
        self.thread = threading.Thread(target=self._ask, name=f"itstack look {check.key}", daemon=True)
        self.thread.start()

    def _ask(self) -> None:
        answer = _answer(self.check)
        self.ended = time.monotonic()
        self.answer = answer


def _question(minion: str, check: Check, repeated: bool) -> _Question:
    before = _asked.get((minion, check.key))
    if before is None:
        return _Question(check, missed=False)
    if before.thread.is_alive():
        return before
    if repeated and before.answer is not None and time.monotonic() - before.ended < FRESH:
        return before
    return _Question(check, missed=True)


def _answer(check: Check) -> Finding:
    state, reason = WELL, ""
    try:
        check.run()
    except (Unproved, Idle) as error:
        # An application that isn't ready has a check of its own.
        state, reason = UNKNOWN, str(error)
    except ItstackError as error:
        state, reason = WRONG, str(error)
    except ImportError as error:
        state, reason = UNKNOWN, f"{error.name} isn't installed on this minion"
    except Exception as error:  # one check's own fault must not hide the others
        log.warning("itstack: the check of %s failed: %s", check.key, type(error).__name__, exc_info=True)
        state, reason = UNKNOWN, f"the check itself failed ({type(error).__name__}); see the minion's log"
    return Finding(check.what, check.kind, check.side, state, reason)
