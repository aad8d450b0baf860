"""Maps of settings of which the server masks the secret ones, and what is remembered of a server."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import Invalid, Problem
from ...reconcile import HIDDEN, Changes, text
from .resources import MASK


@dataclass(frozen=True)
class Marks:
    """
    What is remembered of secrets that were written, and of what is still to be done, each by a name.

    known
        Whether a value is the one that was written last; ``None`` where nothing is remembered.
    remember, forget
        Keep that a value was written; drop it.
    """

    known: Callable[[str, str], bool | None]
    remember: Callable[[str, str], None]
    forget: Callable[[str], None]


def settings_wanted(config: Any, place: str = "config") -> dict[str, Any]:
    """Declared settings as the texts that the server keeps. Raises :class:`Invalid`."""
    if not isinstance(config or {}, Mapping):
        raise Invalid(Problem("", place, config, "must be a map", "write each setting on a line of its own"))
    problems: list[Problem | str] = []
    for key, value in (config or {}).items():
        if isinstance(value, (list, tuple, dict)):
            problems.append(
                Problem("", f"{place}:{key}", value, "must be a single text, number or boolean",
                        "join several values as the server does, most often by ## or a comma")
            )  # fmt: skip
        elif value == MASK:
            problems.append(
                Problem(
                    "", f"{place}:{key}", None, "is the mask that Keycloak shows", "give the secret itself"
                )
            )
    if problems:
        raise Invalid(problems)
    return {str(key): text(value) for key, value in (config or {}).items()}


def settings_changes(
    wanted: Mapping[str, Any],
    found: Mapping[str, Any],
    hidden: Collection[str],
    mark: str,
    marks: Marks | None = None,
) -> Changes:
    """
    What has to change, one entry ``config KEY`` for each setting; others are left alone.

    hidden
        Settings whose values nobody may read in a report.
    mark
        What their secrets are remembered by, together with the key.
    marks
        ``None`` where nothing can have been written yet.

    A secret that reads back masked is compared with what was written last; one of which nothing is remembered
    is taken for the one that is there.
    """
    changes: Changes = {}
    for key, value in wanted.items():
        old = text(found.get(key))
        if old == MASK and value is not None:
            if marks is not None and marks.known(f"{mark}/{key}", value) is not False:
                continue
        elif old == value:
            continue
        secret = old == MASK or key in hidden
        changes[f"config {key}"] = {
            side: HIDDEN if secret and one is not None else one
            for side, one in (("old", old), ("new", value))
        }
    return changes


def settings_sent(wanted: Mapping[str, Any], found: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """All settings as they are sent: the server keeps a secret whose mask it gets."""
    merged = {**found, **{key: value for key, value in wanted.items() if f"config {key}" in changes}}
    return {key: value for key, value in merged.items() if value is not None}


def settings_written(
    wanted: Mapping[str, Any], after: Mapping[str, Any], changes: Changes, mark: str, marks: Marks
) -> None:
    """Remember those that read back masked: they were written now, or are taken for what is there."""
    for key, value in wanted.items():
        if after.get(key) == MASK and value is not None:
            if marks.known(f"{mark}/{key}", value) is not True:
                marks.remember(f"{mark}/{key}", value)
        elif f"config {key}" in changes:
            marks.forget(f"{mark}/{key}")
