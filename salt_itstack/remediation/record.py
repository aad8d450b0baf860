"""
The record of repairs: one file on the master, written whole or not at all.

Holds attempts, what was decided when nothing was done, put-backs of the last day, and fights. Bounded: the
oldest go first.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .. import atomic
from ..errors import ItstackError
from . import fights
from .policy import INTERRUPTED, RUNNING

FILE = "repairs.json"
#: How many of each are kept.
MOST = {"attempts": 300, "put_backs": 2000, "fights": 100}
_EMPTY: dict[str, Any] = {"version": 1, "attempts": [], "decisions": {}, "put_backs": [], "fights": []}

Row = dict[str, Any]


def folder(opts: Mapping[str, Any]) -> pathlib.Path:
    """Where the master keeps what this pack remembers."""
    return pathlib.Path(opts["cachedir"]) / "itstack"


class Record:
    """
    The record.

    path
        Its file; made with the first entry.
    clock
        Seconds since the epoch.
    """

    def __init__(self, path: pathlib.Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.clock = clock

    @classmethod
    def of(cls, opts: Mapping[str, Any]) -> Record:
        """The record of a master."""
        return cls(folder(opts) / FILE)

    def read(self) -> dict[str, Any]:
        """All of it."""
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return json.loads(json.dumps(_EMPTY))
        except (OSError, ValueError) as error:
            raise ItstackError(
                f"{self.path} can't be read ({error}); nothing is repaired without a record",
                remedy="correct its rights, or move it away to begin a new one",
            ) from None
        return {**json.loads(json.dumps(_EMPTY)), **found}

    def attempts(self) -> list[Row]:
        """All attempts, oldest first."""
        return list(self.read()["attempts"])

    def begin(self, **facts: Any) -> int:
        """
        Write down that an attempt begins, before anything is done; its number.

        Raises :class:`ItstackError` if that can't be written: then the attempt mustn't be made.
        """
        with self._writing("no repair is begun") as whole:
            number = max((row["number"] for row in whole["attempts"]), default=0) + 1
            whole["attempts"].append(
                {"number": number, **facts, "begun": self.clock(), "ended": None, "result": RUNNING}
            )
            whole["decisions"].pop(facts.get("what"), None)
        return number

    def end(self, number: int, result: str, detail: str, **facts: Any) -> Row:
        """Write down how an attempt ended; its entry."""
        with self._writing(f"that attempt {number} ended ({result}) isn't recorded") as whole:
            (row,) = [row for row in whole["attempts"] if row["number"] == number]
            row.update(ended=self.clock(), result=result, detail=detail, **facts)
        return row

    def note(self, number: int, **facts: Any) -> None:
        """Add something to an attempt that has ended."""
        with self._writing("a remark on a repair isn't recorded") as whole:
            for row in whole["attempts"]:
                if row["number"] == number:
                    row.update(facts)

    def interrupted(self, what: str) -> list[Row]:
        """
        Close what was begun and never ended; those entries.

        Only for who holds the lock of that thing: then nobody else can be at it, whatever the record says.
        """
        if not [row for row in self.attempts() if row["what"] == what and row["result"] == RUNNING]:
            return []
        with self._writing("an interrupted repair isn't recorded") as whole:
            found = [row for row in whole["attempts"] if row["what"] == what and row["result"] == RUNNING]
            for row in found:
                row.update(ended=self.clock(), result=INTERRUPTED, detail="the process that made it is gone")
        return found

    def decided(self, what: str, verdict: str, reason: str) -> bool:
        """
        Write down that nothing is done about something, and why; whether people haven't been told so yet.

        The same decision again only counts up, and is told anew after an hour.
        """
        now = self.clock()
        with self._writing("why nothing is done isn't recorded") as whole:
            before = whole["decisions"].get(what)
            same = bool(before) and before["verdict"] == verdict and now - before["told"] < 3600
            whole["decisions"][what] = {
                "verdict": verdict,
                "reason": reason,
                "first": before["first"] if same else now,
                "last": now,
                "told": before["told"] if same else now,
                "times": before["times"] + 1 if same else 1,
            }
        return not same

    def settled(self, what: str) -> None:
        """Forget why nothing was done: it is well."""
        if what in self.read()["decisions"]:
            with self._writing("that something is well again isn't recorded") as whole:
                whole["decisions"].pop(what, None)

    def changed(self, minion: str, changes: Mapping[str, Any], by: str) -> list[Row]:
        """Write down what a run put back; the fights that come of it, which nobody was told yet."""
        now = self.clock()
        new = fights.put_backs(minion, changes, by, now)
        if not new:
            return []
        with self._writing("what was put back isn't recorded") as whole:
            history = [row for row in whole["put_backs"] if now - row["at"] < fights.DAY]
            found = [{**row, "told": False} for row in fights.fought(history, new, now)]
            whole["put_backs"] = fights.without([*history, *new], found)
            whole["fights"] += found
        return found

    def untold(self) -> list[Row]:
        """Fights that people weren't told of yet; they count as told from now on."""
        if all(row["told"] for row in self.read()["fights"]):
            return []
        with self._writing("that a fight was told isn't recorded") as whole:
            found = [dict(row) for row in whole["fights"] if not row["told"]]
            for row in whole["fights"]:
                row["told"] = True
        return found

    @contextlib.contextmanager
    def _writing(self, lost: str) -> Iterator[dict[str, Any]]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(f"{self.path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unwritable(error, lost) from None
        with os.fdopen(handle, "r+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            whole = self.read()
            yield whole
            for name, most in MOST.items():
                whole[name] = whole[name][-most:]
            try:
                atomic.write(self.path, json.dumps(whole, indent=1, sort_keys=True).encode())
            except OSError as error:
                raise self._unwritable(error, lost) from None

    def _unwritable(self, error: OSError, lost: str) -> ItstackError:
        return ItstackError(
            f"{self.path} can't be written ({error.strerror}); {lost}",
            remedy="make room, or correct its rights",
        )
