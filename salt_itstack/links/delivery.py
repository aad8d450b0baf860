"""Takes what a server made to the other end: into a file there, or to the master for another minion."""

from __future__ import annotations

import grp
import os
import pathlib
import pwd
from typing import Any, Protocol

from .. import atomic
from ..errors import Invalid, ItstackError, Missing, Problem
from .kinds import ENDS, Plan


class Hands(Protocol):
    """How a value goes to the master, as the plug-in knows it."""

    def give(self, identifier: str, value: str) -> bool: ...

    def has(self, identifier: str, value: str | None) -> bool: ...

    def forget(self, identifier: str) -> None: ...


class OtherEnd:
    """
    Where the value of a plan goes.

    hands
        For those values that another minion needs.
    """

    def __init__(self, plan: Plan, hands: Hands) -> None:
        self._hands = hands
        self._key = ENDS[plan.spec["end"]]
        self.store = plan.there.get("store")
        self.path = pathlib.Path(plan.there["file"]) if plan.there.get("file") else None
        self._mode = self._checked_mode(plan.there.get("mode", "0600"))
        self._user, self._group = plan.there.get("user"), plan.there.get("group")

    @property
    def name(self) -> str:
        """What the report calls it."""
        return f"store {self.store}" if self.store else str(self.path)

    def value(self) -> str | None:
        """What is there now; ``None`` where nothing is, or where it can't be read back."""
        if self.path is None:
            return None
        try:
            return self.path.read_text(encoding="utf-8").rstrip("\r\n")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise Missing(f"{self.path} can't be read ({error})", remedy="run as root") from None

    def has(self, value: str | None) -> bool:
        """Whether this value is there; for ``None``, whether any is."""
        if self.store:
            return self._hands.has(str(self.store), value)
        found = self.value()
        if value is None:
            return bool(found)
        return found == value and not self._differs()

    def give(self, value: str) -> None:
        """Bring a value there. Raises :class:`ItstackError` where that can't be done."""
        if self.store:
            self._hands.give(str(self.store), value)
            return
        assert self.path is not None
        if not self.path.parent.is_dir():
            raise Missing(f"there is no folder {self.path.parent}", remedy="make it first, with its owner")
        user, group = self._owner()
        try:
            atomic.write(self.path, (value + "\n").encode())
            os.chown(self.path, user, group)
            os.chmod(self.path, self._mode)
        except OSError as error:
            raise ItstackError(
                f"{self.path} can't be written ({error.strerror})", remedy="make room, or run as root"
            ) from None

    def forget(self) -> None:
        """Take the value away."""
        if self.store:
            self._hands.forget(str(self.store))
        elif self.path is not None:
            self.path.unlink(missing_ok=True)

    def _differs(self) -> bool:
        assert self.path is not None
        about = self.path.stat()
        user, group = self._owner()
        return (about.st_uid, about.st_gid, about.st_mode & 0o7777) != (user, group, self._mode)

    def _owner(self) -> tuple[int, int]:
        try:
            user = pwd.getpwnam(self._user).pw_uid if self._user else os.geteuid()
            group = grp.getgrnam(self._group).gr_gid if self._group else os.getegid()
        except KeyError as error:
            raise Invalid(
                Problem("", self._key, None, f"{error.args[0]}", "name an account that exists")
            ) from None
        return user, group

    def _checked_mode(self, mode: Any) -> int:
        text = str(mode)
        if (
            isinstance(mode, int)
            or not text.isdigit()
            or set(text) - set("01234567")
            or not 3 <= len(text) <= 4
        ):
            remedy = 'write it as text, such as "0640"'
            raise Invalid(Problem("", f"{self._key}:mode", mode, "isn't a file mode", remedy))
        return int(text, 8)
