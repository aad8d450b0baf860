"""How much memory the lab's processes take, shared pages counted once."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

SAMPLE_SECONDS = 3.0


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


def by_namespace(spaces: set[str]) -> Counter[str]:
    """Proportional set sizes of the processes in these process namespaces, summed by them, in bytes."""
    found: Counter[str] = Counter()
    for name in os.listdir("/proc"):
        if name.isdigit():
            where = namespace(int(name))
            if where in spaces:
                found[where] += of_process(int(name))
    return found


class Peak:
    """
    The largest sum of memory that was seen, in bytes.

    processes
        One process of each server that counts.
    """

    def __init__(self, processes: Iterable[int]) -> None:
        self.spaces = {namespace(process) for process in processes} - {""}
        self.size = 0
        self._ended = threading.Event()

    def look(self) -> None:
        """Measure once; takes about 0.05 s of one core for a lab of nine servers."""
        self.size = max(self.size, sum(by_namespace(self.spaces).values()))

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self.look()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look every few seconds while this lasts, and once at its end."""
        thread = threading.Thread(target=self._watch, name="memory", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()
        self.look()
