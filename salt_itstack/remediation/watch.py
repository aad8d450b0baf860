"""What a minion says of its looks: what turns wrong, the same a minute later, and what is well again."""

from __future__ import annotations

import json
import logging
import pathlib
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .. import atomic
from .look import WELL, WRONG, Finding

log = logging.getLogger(__name__)

#: Seconds between two events about the same thing.
REPEAT = 60.0
FILE = "watch.json"


class Watch:
    """
    The memory between a minion's looks, also those of an earlier process.

    path
        A file with what was well once: only that can be broken. What was never deployed isn't. And with what
        was told to be wrong, and when.
    clock
        Seconds since the epoch.
    """

    def __init__(self, path: pathlib.Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.clock = clock
        self._well, self._told = _read(path)

    @classmethod
    def of(cls, opts: Mapping[str, Any]) -> Watch:
        """The memory of a minion."""
        return cls(pathlib.Path(opts["cachedir"]) / "itstack" / FILE)

    def news(self, findings: Iterable[Finding]) -> list[Finding]:
        """Those findings that the master has to hear of now."""
        now = self.clock()
        before = (set(self._well), dict(self._told))
        found = []
        for finding in findings:
            if finding.state == WELL:
                self._well.add(finding.key)
                if self._told.pop(finding.key, None) is not None:
                    found.append(finding)
            elif finding.state == WRONG and finding.key in self._well and self._is_due(finding.key, now):
                self._told[finding.key] = now
                found.append(finding)
        if before != (self._well, self._told):
            self._write()
        return found

    def disturbed(self) -> None:
        """A run has changed things since the last look: what is wrong after it is told at once."""
        self._told = dict.fromkeys(self._told, 0.0)

    def _is_due(self, key: str, now: float) -> bool:
        # A clock that was set back mustn't silence anything for long.
        return key not in self._told or not 0 <= now - self._told[key] < REPEAT

    def _write(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            content = {"well": sorted(self._well), "told": self._told}
            atomic.write(self.path, json.dumps(content, sort_keys=True).encode())
        except OSError as error:
            # It is known until the minion is started again, and learned again then.
            log.warning("itstack: %s can't be written (%s)", self.path, error.strerror)


def _read(path: pathlib.Path) -> tuple[set[str], dict[str, float]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return set(map(str, found["well"])), {str(key): float(at) for key, at in found["told"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set(), {}
