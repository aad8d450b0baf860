"""
Pokes: "look at this", one small file for each thing on the master.

However often somebody pokes, there is one file until a worker takes it up, so a flood of events is one look.
A poke that comes after that is a new one: nothing that happens during a repair is lost. A file outlives
reactor, worker and master.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..errors import ItstackError
from .record import folder

#: Seconds after which a poke that nobody took up is told once more: its worker may have gone with the master.
STALE = 30.0
_WAITING, _TAKEN, _LOCK = ".json", ".taken", ".lock"

Poke = dict[str, Any]


class Pokes:
    """
    The pokes of a master.

    place
        Their folder; made with the first one.
    clock
        Seconds since the epoch.
    """

    def __init__(self, place: pathlib.Path, clock: Callable[[], float] = time.time) -> None:
        self.place = place
        self.clock = clock

    @classmethod
    def of(cls, opts: Mapping[str, Any]) -> Pokes:
        """The pokes of a master."""
        return cls(folder(opts) / "pokes")

    def put(self, what: str, **facts: Any) -> bool:
        """
        Poke; whether a worker has to be called, because there was none, or because it has waited long.

        what
            Id of a service or an integration *of the map*: it becomes a file name.

        Raises :class:`ItstackError` if that can't be written.
        """
        path = self.place / f"{what}{_WAITING}"
        try:
            self.place.mkdir(parents=True, exist_ok=True, mode=0o700)
            with contextlib.suppress(FileNotFoundError):
                if self.clock() - path.stat().st_mtime < STALE:
                    return False
                os.utime(path, (self.clock(), self.clock()))
                return True
            return self._made(path, {"what": what, "at": self.clock(), **facts})
        except OSError as error:
            raise ItstackError(
                f"the poke for {what} can't be written below {self.place} ({error.strerror}); "
                "nothing is done about it",
                remedy="make room, or correct its rights",
            ) from None

    def _made(self, path: pathlib.Path, poke: Poke) -> bool:
        handle, temporary = tempfile.mkstemp(dir=self.place, prefix=".poke.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(poke, stream)
                stream.flush()
                os.fsync(stream.fileno())
            os.utime(temporary, (poke["at"], poke["at"]))
            # A link is made once, however many try at the same time.
            os.link(temporary, path)
        except FileExistsError:
            return False
        finally:
            os.unlink(temporary)
        return True

    def waiting(self) -> list[str]:
        """The things that somebody has poked, or whose worker was interrupted, the oldest first."""
        found: dict[str, float] = {}
        with contextlib.suppress(FileNotFoundError):
            for path in self.place.iterdir():
                if path.suffix in (_WAITING, _TAKEN) and not path.name.startswith("."):
                    with contextlib.suppress(FileNotFoundError):
                        found[path.stem] = min(path.stat().st_mtime, found.get(path.stem, self.clock()))
        return sorted(found, key=lambda what: found[what])

    def waits(self, what: str) -> bool:
        """Whether a thing is poked and nobody has taken that up."""
        return (self.place / f"{what}{_WAITING}").exists()

    @contextlib.contextmanager
    def working(self, what: str, wait: bool = False) -> Iterator[bool]:
        """Be the only one who works on a thing; False where somebody else is and ``wait`` isn't said."""
        self.place.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self.place / f"{what}{_LOCK}", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "r+") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            yield True

    def worked_on(self, what: str) -> bool:
        """Whether somebody works on a thing right now."""
        if not (self.place / f"{what}{_LOCK}").exists():
            return False
        with self.working(what) as free:
            return not free

    def take(self, what: str) -> Poke | None:
        """
        Take a poke up, or one that an interrupted worker had taken; ``None`` where there is none.

        Only for who is :meth:`working` on the thing.
        """
        taken = self.place / f"{what}{_TAKEN}"
        with contextlib.suppress(FileNotFoundError):
            os.replace(self.place / f"{what}{_WAITING}", taken)
        try:
            found = json.loads(taken.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            found = {}
        return {"what": what, "at": self.clock(), **(found if isinstance(found, dict) else {})}

    def done(self, what: str) -> None:
        """What was taken up is done with."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.place / f"{what}{_TAKEN}")

    def back(self, what: str) -> None:
        """What was taken up couldn't be looked at now: it waits on."""
        with contextlib.suppress(FileNotFoundError):
            os.replace(self.place / f"{what}{_TAKEN}", self.place / f"{what}{_WAITING}")
