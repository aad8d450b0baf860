"""What the lab is doing, as it happens: a moving line on a terminal, plain lines in a pipe."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

QUIET_SECONDS = 2.0
REPEAT_SECONDS = 5.0


class Progress:
    """Reports stages and their durations on standard error, so standard output stays the command's."""

    def __init__(self, stream=None) -> None:
        self.stream = stream or sys.stderr
        self.moving = self.stream.isatty()
        self.durations: dict[str, float] = {}
        self.started = time.monotonic()
        self.told = 0.0
        self.stage_name = ""
        self.width = 0

    def say(self, text: str) -> None:
        """Print one line that stays."""
        self._clear()
        print(text, file=self.stream, flush=True)

    def update(self, text: str) -> None:
        """Tell how far the stage is; in a pipe at most every few seconds, and never for quick stages."""
        now = time.monotonic()
        elapsed = now - self.started
        if self.moving:
            self._clear()
            width = min(110, shutil.get_terminal_size().columns - 1)
            line = f"  {self.stage_name} {elapsed:4.0f} s  {text}"[:width]
            self.stream.write(line)
            self.stream.flush()
            self.width = len(line)
        elif elapsed >= QUIET_SECONDS and now - self.told >= REPEAT_SECONDS:
            self.told = now
            print(f"  {self.stage_name} {elapsed:.0f} s: {text}", file=self.stream, flush=True)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure one stage, and tell its duration at its end."""
        self.stage_name, self.started, self.told = name, time.monotonic(), 0.0
        yield
        self.durations[name] = time.monotonic() - self.started
        self.say(f"{name}: {self.durations[name]:.1f} s")

    def summary(self) -> str:
        """All stages in one line."""
        parts = [f"{name} {seconds:.1f} s" for name, seconds in self.durations.items()]
        return f"{', '.join(parts)}; together {sum(self.durations.values()):.1f} s"

    def _clear(self) -> None:
        if self.width:
            self.stream.write("\r" + " " * self.width + "\r")
            self.width = 0
