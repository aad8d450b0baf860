"""
The errors of this pack.

    ItstackError                     (a CommandExecutionError: Salt prints it without a traceback)
    ├── Unreachable                  nothing answers there, or not in time
    ├── Denied                       it answers, and refuses our credentials or rights
    ├── Rejected                     it refuses what we sent
    │   └── Conflict                 because something else is in the way
    ├── Missing                      what we asked for isn't there
    ├── Unsupported                  this product, version or edition can't do it
    └── Invalid                      the user's own files or arguments are wrong; all problems at once

Callers look at the class, never at a status number. No message ever holds a secret.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from salt.exceptions import CommandExecutionError


class ItstackError(CommandExecutionError):
    """
    Something that went wrong, in words that a person can act on.

    message
        What was tried on which object, and what came back.
    service
        The service that it happened on, put in front of the message.
    remedy
        What the reader should do about it.

    Its attribute ``changes`` holds what had been changed before it happened.
    """

    def __init__(self, message: str, service: str = "", remedy: str = "") -> None:
        self.service = service
        self.remedy = remedy
        self.changes: dict[str, Any] = {}
        text = f"{service}: {message}" if service else message
        if remedy:
            text = f"{text.rstrip('.')}. Remedy: {remedy}"
        super().__init__(text)


class Unreachable(ItstackError):
    """Nothing answers at the address, or not within the time-out."""


class Denied(ItstackError):
    """The service answers, but refuses these credentials or this account's rights."""


class Rejected(ItstackError):
    """The service refuses what was sent."""


class Conflict(Rejected):
    """The service refuses because another object is in the way, or changed meanwhile."""


class Missing(ItstackError):
    """The object that was asked for doesn't exist."""


class Unsupported(ItstackError):
    """This product, version or edition can't do what was asked."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in what the user wrote: where, what, and what to do."""

    file: str
    key: str
    value: object
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        place = " ".join(part for part in (self.file, self.key) if part)
        shown = "" if self.value is None else f" ({self.value!r})"
        remedy = f". Remedy: {self.remedy}" if self.remedy else ""
        return f"{place}{shown}: {self.message}{remedy}"


def nearest(word: Any, known: Iterable[str]) -> str:
    """A remedy that names the nearest known word, or all of them."""
    names = [str(name) for name in known]
    close = difflib.get_close_matches(str(word)[:60], names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    return f"known are {', '.join(names)}" if names else "take it out"


class Invalid(ItstackError):
    """What the user wrote can't be used. Carries every problem that was found, not the first only."""

    def __init__(self, problems: Problem | str | Iterable[Problem | str], remedy: str = "") -> None:
        if isinstance(problems, (Problem, str)):
            problems = [problems]
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems), remedy=remedy)
