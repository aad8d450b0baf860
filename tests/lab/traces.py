"""Look for secrets wherever they could have left a trace: files, processes, and what was recorded."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path

#: What a server writes lies here; the rest of its tree is the machine's.
FOLDERS = ("etc", "var", "opt", "srv", "run", "tmp", "dev/shm")


def forms(value: str) -> set[bytes]:
    """A secret as it may stand in a text: raw, for JSON, for an address, for PHP, and inside base64."""
    texts = {
        value,
        json.dumps(value)[1:-1],
        value.replace("\\", "\\\\").replace("'", "\\'"),
        urllib.parse.quote(value),
        urllib.parse.quote(value, safe=""),
        urllib.parse.quote_plus(value),
    }
    found = {text.encode() for text in texts}
    for before in range(3):
        # What stands before a secret shifts its bits; only whole characters of its own are looked for.
        data = b"\0" * before + value.encode()
        first, last = -(-8 * before // 6), 8 * len(data) // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode(data)[first:last])
    return found


class Needles:
    """
    Secrets to look for.

    secrets
        Names with values; one name may have had several.
    """

    def __init__(self, secrets: Iterable[tuple[str, str]]) -> None:
        self.forms: dict[bytes, str] = {form: name for name, value in secrets for form in forms(value)}

    def found(self, content: bytes) -> set[str]:
        """The names of those that stand in there."""
        return {name for form, name in self.forms.items() if form in content}


def written(process: int, since: float) -> Iterator[tuple[str, bytes]]:
    """
    The files of a server that were written or changed since a time: path and content.

    process
        The server's first process.
    """
    root = f"/proc/{process}/root"
    waiting = [f"{root}/{folder}" for folder in FOLDERS]
    while waiting:
        for entry in _entries(waiting.pop()):
            try:
                if entry.is_dir(follow_symlinks=False):
                    if not _state_of_a_lab(entry.path):
                        waiting.append(entry.path)
                elif (
                    entry.is_file(follow_symlinks=False)
                    and entry.stat(follow_symlinks=False).st_ctime >= since
                ):
                    yield entry.path[len(root) :], Path(entry.path).read_bytes()
            except (FileNotFoundError, PermissionError):  # gone since, or of a kernel file system
                continue


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:  # gone since
        return []


def _state_of_a_lab(folder: str) -> bool:
    # The master has the machine's /tmp. There the tests' labs keep their installers' passwords and their
    # servers' trees, which are looked at where the servers have them.
    return os.path.exists(f"{folder}/specs/lab-master.json")


class Processes:
    """Collects the command lines of all processes of the machine while it is entered."""

    def __init__(self) -> None:
        self.lines: set[bytes] = set()
        self.looks = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Processes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.is_set():
            for name in os.listdir("/proc"):
                if name.isdigit():
                    try:
                        with open(f"/proc/{name}/cmdline", "rb") as stream:
                            self.lines.add(stream.read())
                    except OSError:
                        continue
            self.looks += 1
            # Leaves the fleet most of a small machine; nothing that starts an interpreter is this short.
            time.sleep(0.005)
