"""
Changes that were found out but not written yet: one object's, and a whole set's.

Whoever compares makes a :class:`Plan`; whether and when it is written is decided here, for one object in the
same way as for a thousand.
"""

from __future__ import annotations

import contextvars
import functools
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

from ...errors import Conflict, Denied, Invalid, ItstackError, Problem, Rejected, Unreachable
from ...reconcile import Changes, removal
from .view import View

#: Writes at a time. More than four don't make a server of two cores faster (measured on 26.7.3).
THREADS = 4
Made = TypeVar("Made")
Given = ParamSpec("Given")

#: How many objects an exclusive set may remove where nothing is said.
LIMIT = 10


@dataclass
class Plan:
    """
    What one object lacks.

    name
        The object, for reports.
    steps
        What to write, in this order: the changes that each step makes, and the function that makes them.
    """

    name: str
    steps: list[tuple[Changes, Callable[[], Any]]] = field(default_factory=list)

    @property
    def changes(self) -> Changes:
        """All that would change."""
        return {key: value for changes, _ in self.steps for key, value in changes.items()}

    def add(self, changes: Changes, write: Callable[[], Any]) -> None:
        """One more step; nothing if it changes nothing."""
        if changes:
            self.steps.append((changes, write))

    def write(self) -> Changes:
        """
        Take all steps; returns what changed.

        Raises the error of the step that failed; its ``changes`` are those of the steps before.
        """
        done: Changes = {}
        for changes, step in self.steps:
            try:
                step()
            except ItstackError as error:
                error.changes = done
                raise
            done.update(changes)
        return done


def carry_out(view: View, realm: str, plan: Plan, test: bool, *lists: str, client: str = "") -> Changes:
    """
    Write one object's plan, unless this is a dry run; returns what changed or would change.

    lists
        What :class:`~.view.View` has read and has to forget; none means all of the realm.
    client
        The one client that is written; nothing else has to be read again then.
    """
    if test or not plan.steps:
        return plan.changes
    try:
        return plan.write()
    finally:
        view.drop_plans()
        if client:
            view.client_changed(realm, client)
        elif lists:
            view.changed(realm, *lists)
        else:
            view.changed_realm(realm)


def looked_at_again(
    apply: Callable[Concatenate[View, str, Given], Changes],
) -> Callable[Concatenate[View, str, Given], Changes]:
    """
    Let a function compare and write once more where what it makes is there by now: somebody else has made it.

    The function gets the view and the realm first, and returns what changed.
    """

    @functools.wraps(apply)
    def run(view: View, realm: str, *arguments: Given.args, **words: Given.kwargs) -> Changes:
        try:
            return apply(view, realm, *arguments, **words)
        except Conflict as error:
            done = error.changes
        view.changed_realm(realm)
        try:
            more = apply(view, realm, *arguments, **words)
        except ItstackError as error:
            error.changes = _joined(done, error.changes)
            raise
        return _joined(done, more)

    return run


def _joined(done: Changes, more: Changes) -> Changes:
    return {**done, **{name: {**done.get(name, {}), **change} for name, change in more.items()}}


@dataclass(frozen=True)
class Set:
    """
    A kind of object of which many can be given as data.

    kind
        What people call one, for messages.
    lists
        What a view has read of it.
    found
        The names that are there.
    plan
        The plan of one object, from its name and its declared fields.
    remove
        The plan that removes one.
    kept
        The names that the server made itself, or that we need: never removed.
    order
        Whether each must be written before the next, because it may stand on it.
    """

    kind: str
    lists: Sequence[str]
    found: Callable[[], Collection[str]]
    plan: Callable[[str, Mapping[str, Any]], Plan]
    remove: Callable[[str], Plan]
    kept: Callable[[str], bool]
    order: bool = False


@looked_at_again
def apply_set(
    view: View,
    realm: str,
    kind: Set,
    wanted: Mapping[str, Any],
    exclusive: bool = False,
    limit: int = LIMIT,
    test: bool = False,
) -> Changes:
    """
    Bring many objects of a kind to the declared shape; returns what changed or would change, by name.

    wanted
        The declared fields of each by its name; nothing after a name is a map without fields.
    exclusive
        Remove the others, but never what the server made itself.
    limit
        How many of them at the most.

    Raises :class:`Invalid` with everything that is wrong in all of them, before anything is written, and
    :class:`Rejected`, or :class:`Conflict` where some were there already, with every object that failed; its
    ``changes`` are what was written.
    """
    with view.planning():
        plans = list(each_of(wanted, kind.plan).values())
        if exclusive:
            plans += _removals(kind, wanted, limit)
    plans = [plan for plan in plans if plan.steps]
    if test or not plans:
        return {plan.name: plan.changes for plan in plans}
    try:
        return _write(plans, 1 if kind.order else THREADS)
    finally:
        view.drop_plans()
        view.changed(realm, *kind.lists)


def each_of(objects: Any, use: Callable[[str, Mapping[str, Any]], Made]) -> dict[str, Made]:
    """
    What a function makes of each object of a set, by name.

    objects
        The declared fields of each by its name; nothing after a name is a map without fields.

    Raises :class:`Invalid` with everything that is wrong in all of them.
    """
    if not isinstance(objects, Mapping):
        raise Invalid(
            Problem("", "the set", type(objects).__name__, "isn't a map of objects by their names",
                    "write each name with a colon, and its fields below")
        )  # fmt: skip
    made, problems = {}, []
    for name, fields in objects.items():
        if not isinstance(fields, (Mapping, type(None))):
            problems.append(f"{name}: its fields must be a map, not a {type(fields).__name__}")
            continue
        try:
            made[str(name)] = use(str(name), fields or {})
        except Invalid as error:
            problems += [f"{name}: {problem}" for problem in error.problems]
    if problems:
        raise Invalid(problems)
    return made


def _removals(kind: Set, wanted: Mapping[str, Any], limit: int) -> list[Plan]:
    names = {str(name) for name in wanted}
    extra = sorted(name for name in kind.found() if name not in names and not kind.kept(name))
    if len(extra) > limit:
        shown = ", ".join(extra[:10]) + (", …" if len(extra) > 10 else "")
        raise Invalid(
            Problem("", "exclusive", None,
                    f"would remove {len(extra)} {kind.kind}s, and at most {limit} may go: {shown}",
                    "declare those that shall stay, or raise limit")
        )  # fmt: skip
    return [kind.remove(name) for name in extra]


def _write(plans: Sequence[Plan], threads: int) -> Changes:
    done: Changes = {}
    failed: dict[str, str] = {}
    hopeless, there = threading.Event(), threading.Event()

    def write(plan: Plan) -> None:
        if hopeless.is_set():
            failed[plan.name] = ""
            return
        try:
            done[plan.name] = plan.write()
        except ItstackError as error:
            if error.changes:
                done[plan.name] = error.changes
            if isinstance(error, (Unreachable, Denied)):
                # The next one would fare no better, and waits its time-outs out.
                hopeless.set()
            if isinstance(error, Conflict):
                there.set()
            failed[plan.name] = str(error)

    if threads == 1 or len(plans) == 1:
        for plan in plans:
            write(plan)
    else:
        with ThreadPoolExecutor(threads) as pool:
            # Salt's loader keeps what a plug-in sees by context variables, which a new thread hasn't got.
            for task in [pool.submit(contextvars.copy_context().run, write, plan) for plan in plans]:
                task.result()
    made = {plan.name: done[plan.name] for plan in plans if plan.name in done}
    if failed:
        told = [f"{name}: {why}" for name, why in failed.items() if why]
        skipped = sum(not why for why in failed.values())
        if skipped:
            told.append(f"{skipped} more weren't tried")
        failure = (Conflict if there.is_set() else Rejected)("\n".join(told))
        failure.changes = made
        raise failure
    return made


def removal_plan(name: str, write: Callable[[], Any]) -> Plan:
    """The plan that removing an object is."""
    plan = Plan(name)
    plan.add(removal(name), write)
    return plan
