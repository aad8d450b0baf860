"""
What is to be left alone for a while: a service, a server or an integration, because somebody works on it.

Kept on the master. Whatever would write asks here: minions get what is held with their pillar, so that even
a highstate by hand leaves it alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from . import atomic
from .errors import Invalid, ItstackError, Missing, Problem
from .locks import clock
from .stack import Stack
from .stack.schema import nearest

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 90 * 86400


@dataclass(frozen=True)
class Hold:
    """One thing that is left alone: what, why, until when (seconds since the epoch), and who said so."""

    what: str
    reason: str
    until: float
    by: str
    since: float

    def __str__(self) -> str:
        return f"{self.what} is left alone until {clock(self.until)}: {self.reason} ({self.by})"


class Holds:
    """
    All holds.

    path
        The file that they are kept in.
    now
        The clock.
    """

    def __init__(self, path: pathlib.Path, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now

    @classmethod
    def of(cls, opts: Mapping[str, Any]) -> Holds:
        """Those of a Salt master, below its cache."""
        return cls(pathlib.Path(opts["cachedir"]) / "itstack" / "holds.json")

    def current(self) -> dict[str, Hold]:
        """The holds that aren't over, by what they hold."""
        return {what: hold for what, hold in self._read().items() if hold.until > self._now()}

    def put(self, what: str, seconds: float, reason: str, by: str) -> Hold:
        """Hold something from now on, in the place of an earlier hold of the same."""
        now = self._now()
        hold = Hold(what, reason, now + seconds, by, now)
        with self._writing() as holds:
            holds[what] = hold
        return hold

    def release(self, what: str) -> Hold:
        """End a hold, and return what it was. Raises :class:`Missing` where there is none."""
        with self._writing() as holds:
            if what not in holds:
                held = ", ".join(sorted(holds)) or "nothing"
                raise Missing(f"{what} isn't held", remedy=f"held are: {held}")
            return holds.pop(what)

    def covers(self, stack: Stack, identifier: str) -> Hold | None:
        """The hold that makes a service or an integration be left alone as a whole, or None."""
        return covering(stack, identifier, self.current())

    def _read(self) -> dict[str, Hold]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._unusable(str(error.strerror)) from None
        try:
            return {entry["what"]: Hold(**entry) for entry in json.loads(text)["holds"]}
        except (ValueError, KeyError, TypeError):
            # Who holds what isn't known any more: to write now could be just what was to be prevented.
            raise self._unusable("it isn't what was written there") from None

    @contextlib.contextmanager
    def _writing(self) -> Iterator[dict[str, Hold]]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            opened = os.open(self._path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unusable(str(error.strerror)) from None
        with os.fdopen(opened) as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            holds = self.current()
            yield holds
            content = {"version": 1, "holds": [asdict(hold) for hold in holds.values()]}
            try:
                atomic.write(self._path, json.dumps(content, indent=1).encode())
            except OSError as error:
                raise self._unusable(str(error.strerror)) from None

    def _unusable(self, why: str) -> ItstackError:
        return ItstackError(
            f"the holds in {self._path} can't be used: {why}",
            remedy="make room and let the master's user write it; a damaged file may be deleted, and the "
            "holds be said again",
        )


def covering(stack: Stack, identifier: str, holds: Mapping[str, Hold]) -> Hold | None:
    """
    The hold that covers a service or an integration, or None.

    A service is covered by a hold of itself or of its server. An integration is covered by its own, and where
    both of its ends are; one end alone is the service's matter.
    """
    if identifier in holds:
        return holds[identifier]
    if identifier in stack.services:
        return _of_server(stack, identifier, holds)
    item = stack.integrations.get(identifier)
    if item is None:
        return None
    ends = [holds.get(end) or _of_server(stack, end, holds) for end in (item.source, item.target)]
    return ends[0] if all(ends) else None


def _of_server(stack: Stack, service: str, holds: Mapping[str, Hold]) -> Hold | None:
    server = stack.server_of(service)
    names = [server.name, server.minion] if server else [stack.minion(service)]
    return next((holds[name] for name in names if name in holds), None)


def check(stack: Stack, what: Any) -> str:
    """What may be held. Raises :class:`Invalid` for what the map doesn't have."""
    known = [*stack.servers, *stack.services, *stack.integrations]
    if what not in known:
        raise Invalid(
            Problem("", "what", what, "no service, server or integration of the map", nearest(what, known))
        )
    return str(what)


def duration(text: Any) -> float:
    """
    Seconds of a duration such as ``90s``, ``30m``, ``2h``, ``3d``, or of a number of seconds.

    Raises :class:`Invalid`; the longest are 90 days.
    """
    found = re.fullmatch(r"(\d+)([smhd]?)", str(text).strip())
    seconds = int(found[1]) * _UNITS[found[2] or "s"] if found else 0
    if not 0 < seconds <= _LONGEST:
        remedy = "write 30m, 2h or 3d; the longest are 90 days"
        raise Invalid(Problem("", "for", text, "isn't a duration", remedy))
    return float(seconds)
