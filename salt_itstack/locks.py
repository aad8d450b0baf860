"""
One lock per server, so that nothing of ours writes at the same time, and the second can say who is first.

A lock is a small file on the master that names its holder. It counts as long as the holder's process lives
and its time isn't over: whoever is killed leaves nothing behind that somebody has to clean up.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import pathlib
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass

from . import atomic
from .errors import Conflict, ItstackError

#: Seconds after which a lock is over even if its holder lives: no deploy takes that long.
LONGEST = 4 * 3600.0


@dataclass(frozen=True)
class Holder:
    """
    Who holds a server.

    ``id`` is what the holder's own state runs say to be let through, ``jid`` its job or run, ``since`` and
    ``until`` are seconds since the epoch, ``process`` and ``born`` tell one process from all others.
    """

    id: str
    what: str
    jid: str
    user: str
    since: float
    until: float
    process: int
    born: str

    def __str__(self) -> str:
        return (
            f"{self.what} (job {self.jid}, started by {self.user} at {clock(self.since)}, "
            f"process {self.process} on the master, until {clock(self.until)} at the latest)"
        )


def clock(moment: float) -> str:
    """A moment as people read it, UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(moment))


class Locks:
    """
    The locks of all servers.

    folder
        Where their files lie; made when the first is taken.
    now
        The clock.
    """

    def __init__(self, folder: pathlib.Path, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._now = now

    @classmethod
    def of(cls, opts: Mapping[str, object]) -> Locks:
        """Those of a Salt master, below its cache."""
        return cls(pathlib.Path(str(opts["cachedir"])) / "itstack" / "locks")

    def holder(self, server: str) -> Holder | None:
        """Who holds a server, or None."""
        try:
            found = Holder(**json.loads(self._path(server).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return found if found.until > self._now() and _born(found.process) == found.born else None

    def holders(self) -> dict[str, Holder]:
        """All servers that are held."""
        if not self._folder.is_dir():
            return {}
        names = sorted(path.stem for path in self._folder.glob("*.json"))
        found = {name: self.holder(name) for name in names}
        return {name: holder for name, holder in found.items() if holder}

    def take(
        self,
        servers: Iterable[str],
        what: str,
        jid: str = "",
        expires: float = LONGEST,
        process: int | None = None,
        identifier: str | None = None,
    ) -> Holder:
        """
        Hold all these servers, or none.

        servers
            Ids of minions.
        what
            What is going on, for whoever comes second: ``deploy``.
        jid
            The job's id.
        expires
            Seconds after which it's over in any case.
        process
            Whose end is the end of the lock; this process by default.
        identifier
            The holder's id; made by default.

        Raises :class:`Conflict` that names each holder, :class:`ItstackError` where nothing can be written.
        """
        owner = os.getpid() if process is None else process
        since = self._now()
        mine = Holder(
            identifier or secrets.token_hex(8), what, jid or "none", user(), since, since + expires, owner,
            _born(owner),
        )  # fmt: skip
        with self._alone():
            taken = {name: self.holder(name) for name in sorted(set(servers))}
            others = {name: one for name, one in taken.items() if one and one.id != mine.id}
            if others:
                told = "; ".join(f"{name} by {one}" for name, one in others.items())
                raise Conflict(
                    f"another run is going on, and nothing was changed: held are {told}",
                    remedy="wait for it, or end its process; its locks end with it",
                )
            try:
                for name in taken:
                    atomic.write(self._path(name), json.dumps(asdict(mine)).encode())
            except OSError as error:
                self._drop(taken, mine.id)
                raise self._unwritable(error) from None
        return mine

    def release(self, identifier: str) -> None:
        """Let go of all that a holder holds; nothing happens where it holds nothing any more."""
        if self._folder.is_dir():
            with self._alone():
                self._drop([path.stem for path in self._folder.glob("*.json")], identifier)

    @contextlib.contextmanager
    def held(
        self, servers: Iterable[str], what: str, jid: str = "", expires: float = LONGEST
    ) -> Iterator[str]:
        """Hold servers for the time of a block; gives the holder's id. Raises as :meth:`take`."""
        mine = self.take(servers, what, jid, expires)
        try:
            yield mine.id
        finally:
            self.release(mine.id)

    def _drop(self, servers: Iterable[str], identifier: str) -> None:
        for name in servers:
            path = self._path(name)
            with contextlib.suppress(OSError, ValueError, AttributeError):
                if json.loads(path.read_text(encoding="utf-8")).get("id") == identifier:
                    path.unlink()

    def _path(self, server: str) -> pathlib.Path:
        return self._folder / f"{server}.json"

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            opened = os.open(self._folder / ".taking", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unwritable(error) from None
        with os.fdopen(opened) as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _unwritable(self, error: OSError) -> ItstackError:
        return ItstackError(
            f"no lock can be taken below {self._folder} ({error.strerror}), and nothing was changed",
            remedy="make room there, and let the master's user write it",
        )


def user() -> str:
    """Who started this, as far as can be told."""
    # Who called sudo, where somebody did: root is nobody's name.
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _born(process: int) -> str:
    """When a process started, in the kernel's ticks; empty for one that isn't there: numbers come again."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return ""
    # A zombie has ended already, and waits only for its parent.
    return "" if not fields or fields[0] in "ZX" else fields[19]
