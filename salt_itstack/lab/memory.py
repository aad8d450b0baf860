"""How much memory the lab's processes take, shared pages counted once."""

from __future__ import annotations

import os
from collections import Counter


def namespace(process: int) -> str:
    """The process namespace that a process is in; empty when it is gone."""
    try:
        return os.readlink(f"/proc/{process}/ns/pid")
    except OSError:
        return ""


def of_process(process: int) -> int:
    """Proportional set size of one process in bytes."""
    try:
        with open(f"/proc/{process}/smaps_rollup") as stream:
            return sum(int(line.split()[1]) * 1024 for line in stream if line.startswith("Pss:"))
    except OSError:
        return 0


def by_namespace() -> Counter[str]:
    """Proportional set sizes of all processes, summed by process namespace, in bytes."""
    own = namespace(os.getpid())
    found: Counter[str] = Counter()
    for name in os.listdir("/proc"):
        if name.isdigit():
            where = namespace(int(name))
            if where and where != own:
                found[where] += of_process(int(name))
    return found
