"""What the lab tells instead of a traceback."""

from __future__ import annotations


class LabError(Exception):
    """The lab can't go on; the message says why, and what to do about it."""


def tail(path: str, lines: int = 15) -> str:
    """The last lines of a log, indented; a note when there is none."""
    try:
        with open(path, errors="replace") as stream:
            last = stream.read()[-20_000:].splitlines()[-lines:]
    except OSError:
        return f"    (no log at {path})"
    return "\n".join(f"    {line}" for line in last) or "    (its log is empty)"
