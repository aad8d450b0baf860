"""
Read, normalise, compare, write the least: once for all kinds of objects.

A :class:`Resource` declares what we manage of a kind of object, field by field, and how each field is
compared. :func:`diff` and :func:`body` are pure. :func:`converge` is the one place that knows what Salt
wants to hear of a state: test mode, ``result: None``, ``changes``, comments and errors.
"""

from __future__ import annotations

import copy
import difflib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from .errors import Incomplete, Invalid, ItstackError, Problem, Unreachable

#: Stands for a value that nobody may read in a report.
HIDDEN = "(hidden)"
#: Stands for a value that only the server can make, in a dry run.
MADE_BY_SERVER = "<made by server>"

Changes = dict[str, Any]


def same(value: Any) -> Any:
    """Compared as it is; nothing and an empty text are the same."""
    return None if value == "" else value


def unordered(value: Any) -> Any:
    """A list whose order the server doesn't keep."""
    return sorted(json.dumps(item, sort_keys=True) for item in value or [])


def caseless(value: Any) -> Any:
    """A text, or an unordered list of texts, whose case doesn't matter; an empty one is nothing."""
    if not value:
        return None
    if isinstance(value, str):
        return value.casefold()
    return sorted(str(item).casefold() for item in value)


def text(value: Any) -> Any:
    """A value that the server keeps as text: ``True`` is ``"true"`` there, and 5 is ``"5"``."""
    if isinstance(value, bool):
        return str(value).lower()
    return None if value in (None, "") else str(value)


def texts(value: Any) -> Any:
    """A map whose values the server keeps as text, and where an empty one isn't kept."""
    kept = {key: text(item) for key, item in (value or {}).items()}
    return {key: item for key, item in kept.items() if item is not None}


@dataclass(frozen=True)
class Field:
    """
    One thing that we manage of an object.

    path
        Its place in the server's representation: a key, or a tuple of keys for a nested one (a tuple,
        because names such as ``pkce.code.challenge.method`` hold dots themselves).
    compare
        Brings both sides to a form that is equal when the values mean the same.
    partial
        A map of which only the declared keys are compared; the others are left alone.
    secret
        Its values never appear in a report.
    hidden
        Keys of a map whose values never appear in a report.
    readable
        ``False`` if the server never gives the value back. It is then written on creation, and later only
        when the caller proves that it differs.
    """

    path: str | tuple[str, ...]
    compare: Callable[[Any], Any] = same
    partial: bool = False
    secret: bool = False
    hidden: frozenset[str] = frozenset()
    readable: bool = True

    @property
    def keys(self) -> tuple[str, ...]:
        """The path as a tuple."""
        return (self.path,) if isinstance(self.path, str) else self.path

    def read(self, found: Mapping[str, Any]) -> Any:
        """The field's value in the server's representation, or ``None``."""
        value: Any = found
        for key in self.keys:
            if not isinstance(value, Mapping):
                return None
            value = value.get(key)
        return value

    def write(self, target: dict[str, Any], value: Any) -> None:
        """Put the value at its place in a representation."""
        for key in self.keys[:-1]:
            target = target.setdefault(key, {})
        last = self.keys[-1]
        if isinstance(value, Mapping) and isinstance(target.get(last), dict):
            # Another field was written into this map before.
            target[last].update(copy.deepcopy(value))
        else:
            # A copy, because another field may be written into it, and the value is the caller's.
            target[last] = copy.deepcopy(value)


@dataclass(frozen=True)
class Resource:
    """
    A kind of object.

    kind
        What people call it, for messages: ``client``, ``ACL user``.
    key
        The server's name for the natural key.
    fields
        Our names, and what stands behind them.
    """

    kind: str
    key: str
    fields: Mapping[str, Field] = field(default_factory=dict)

    def check(self, wanted: Iterable[str]) -> None:
        """Raise :class:`Invalid` for fields that this kind of object doesn't have."""
        problems = []
        for name in wanted:
            if name not in self.fields:
                near = difflib.get_close_matches(name, self.fields, 1)
                remedy = f"did you mean {near[0]}?" if near else f"one of {', '.join(sorted(self.fields))}"
                problems.append(Problem("", name, None, f"a {self.kind} has no such field", remedy))
        if problems:
            raise Invalid(problems)


def declared(**values: Any) -> dict[str, Any]:
    """The values that were given: what is ``None`` isn't managed."""
    return {name: value for name, value in values.items() if value is not None}


def diff(
    resource: Resource,
    wanted: Mapping[str, Any],
    found: Mapping[str, Any] | None,
    rewrite: Iterable[str] = (),
) -> Changes:
    """
    What has to change for ``found`` to become ``wanted``, by field: ``{"old": …, "new": …}``.

    wanted
        Declared values by our names. Only these are compared.
    found
        The server's representation, or ``None`` where the object doesn't exist.
    rewrite
        Unreadable fields that the caller has proved to differ.

    Secrets show as ``(hidden)``. Raises :class:`Invalid` for an unknown field.
    """
    resource.check(wanted)
    again = set(rewrite)
    changes: Changes = {}
    for name, value in wanted.items():
        spec = resource.fields[name]
        if not spec.readable:
            if found is None or name in again:
                changes[name] = {"old": None if found is None else HIDDEN, "new": HIDDEN}
            continue
        old = None if found is None else spec.read(found)
        left, right = spec.compare(old), spec.compare(value)
        if spec.partial and isinstance(right, dict):
            # By the declared keys: one that was declared empty, and so compares as nothing, is to go.
            keys = dict.fromkeys([*right, *(value if isinstance(value, Mapping) else ())])
            left = {key: (left or {}).get(key) for key in keys}
            right = {key: right.get(key) for key in keys}
        if left == right:
            continue
        if spec.secret:
            changes[name] = {"old": None if old is None else HIDDEN, "new": HIDDEN}
        elif spec.partial and isinstance(right, dict):
            differ = [key for key in right if left[key] != right[key]]
            changes[name] = {
                side: {key: HIDDEN if key in spec.hidden and one[key] else one[key] for key in differ}
                for side, one in (("old", left), ("new", right))
            }
        else:
            changes[name] = {"old": old, "new": value}
    if found is None and not changes:
        # An object may be declared by its name alone; that it comes to exist is a change all the same.
        changes["exists"] = {"old": False, "new": True}
    return changes


def creation(resource: Resource, wanted: Mapping[str, Any]) -> Changes:
    """What :func:`diff` says of an object that doesn't exist yet."""
    return diff(resource, wanted, None)


def removal(name: str) -> Changes:
    """The change that removing an object is."""
    return {name: {"old": "present", "new": "absent"}}


def body(resource: Resource, wanted: Mapping[str, Any], only: Iterable[str] | None = None) -> dict[str, Any]:
    """
    Declared values in the server's representation.

    only
        Leave out all fields but these.
    """
    names = set(wanted) if only is None else set(only) & set(wanted)
    result: dict[str, Any] = {}
    for name in wanted:
        if name in names:
            resource.fields[name].write(result, wanted[name])
    return result


def snapshot(context: MutableMapping[Any, Any], key: tuple[Any, ...], read: Callable[[], Any]) -> Any:
    """
    What one bulk read gave, kept for the rest of this run.

    context
        Salt's ``__context__``. Its entries are used by this process only: a job is one process, while
        beacons and engines, whose ``__context__`` outlives many jobs, must not come here.
    key
        What was read, with the address it was read from.
    """
    slot = ("itstack", os.getpid(), *key)
    if slot not in context:
        context[slot] = read()
    return context[slot]


def forget(context: MutableMapping[Any, Any], key: tuple[Any, ...]) -> None:
    """Drop what :func:`snapshot` kept, because it was changed."""
    context.pop(("itstack", os.getpid(), *key), None)


def converge(
    name: str,
    apply: Callable[[bool], Changes],
    test: bool,
    predicted: Changes | None = None,
    unchanged: str = "is as declared",
    changed: str = "was brought to the declared shape",
    warnings: Iterable[str] = (),
) -> dict[str, Any]:
    """
    Run one state and return what Salt expects of it.

    name
        The state's name.
    apply
        Called with the test flag; returns what changed or would change.
    test
        Salt's dry-run flag.
    predicted
        What this state would change on a service that doesn't answer *because this same run would start
        it*; ``None`` where the service should be there already, and its absence is a failure.
    unchanged, changed
        The comment, after the name.
    """
    outcome: dict[str, Any] = {"name": name, "changes": {}, "result": True, "comment": ""}
    try:
        changes = apply(test)
    except Unreachable as error:
        if test and predicted is not None:
            outcome.update(
                result=None if predicted else True,
                changes=predicted,
                comment=f"{name} would be {'made' if predicted else 'left as it is'} once this run has "
                "started its service",
            )
            return outcome
        outcome.update(result=False, comment=str(error), changes=error.changes)
        return outcome
    except Incomplete as error:
        outcome.update(result=False, changes=error.changes, comment=str(error))
        return outcome
    except ItstackError as error:
        outcome.update(result=False, comment=str(error), changes=error.changes)
        return outcome
    except KeyError as error:
        # So does Salt's loader say that a plug-in refused to load.
        function = str(error.args[0]) if error.args else ""
        if not re.fullmatch(r"itstack\w*\.\w+", function):
            raise
        outcome.update(
            result=False,
            comment=f"{name}: this minion has no {function}. Remedy: `salt-call {function}` there says why",
        )
        return outcome
    if not changes:
        outcome["comment"] = f"{name} {unchanged}"
    else:
        outcome["changes"] = changes
        outcome["result"] = None if test else True
        outcome["comment"] = f"{name} would be changed" if test else f"{name} {changed}"
    notes = list(warnings)
    if notes:
        outcome["warnings"] = notes
    return outcome
