"""
The master's store of secrets: one encrypted file.

Protects against who gets hold of the file alone: a backup, a stolen disk of the file's volume, a repository
it was copied into. Doesn't protect against root on the master, who can read the key as well; keep the key
elsewhere (``itstack:key``) if backups cover both.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from .. import atomic
from ..errors import Conflict, Denied, Invalid, ItstackError, Missing, Problem
from ..stack.model import GIVEN
from . import policy

_read: dict[str, tuple[tuple[int, int, int], dict[str, Any]]] = {}


def places(opts: Mapping[str, Any]) -> tuple[pathlib.Path, pathlib.Path]:
    """
    Where the store and its key are: ``itstack:store`` and ``itstack:key`` of the master's configuration.

    By default beside the master's configuration file, as ``itstack.store`` and ``itstack.key``.
    """
    own = opts.get("itstack")
    own = own if isinstance(own, Mapping) else {}
    beside = pathlib.Path(opts.get("conf_file") or "/etc/salt/master").parent
    return (
        pathlib.Path(own.get("store") or beside / "itstack.store"),
        pathlib.Path(own.get("key") or beside / "itstack.key"),
    )


class Store:
    """
    Secrets by id, with kind and date.

    path
        The encrypted file; made 0600 on the first write, replaced atomically.
    key
        The file with its key; made on the first write.
    """

    def __init__(self, path: pathlib.Path, key: pathlib.Path) -> None:
        self.path = path
        self.key = key

    @classmethod
    def of(cls, opts: Mapping[str, Any]) -> Store:
        """The store that the master's configuration names."""
        return cls(*places(opts))

    def get(self, identifier: str) -> str:
        """The secret. Raises :class:`Missing` if there is none of that id."""
        entry = self._load().get(identifier)
        if entry is None:
            raise Missing(
                f"the store has no secret {identifier}",
                remedy=f"salt-run itstack.secret_import {identifier} path=FILE, or deploy to have it made",
            )
        return str(entry["value"])

    def describe(self) -> dict[str, dict[str, Any]]:
        """Kind and date of each secret, by id; no values."""
        return {
            identifier: {"kind": entry["kind"], "made": entry["made"]}
            for identifier, entry in sorted(self._load().items())
        }

    def put(self, identifier: str, value: str, kind: str = GIVEN) -> None:
        """Write one secret, given or new. An empty one is refused."""
        if not value:
            raise Invalid(Problem("", identifier, None, "an empty secret", "give at least one character"))
        with self._writing() as entries:
            entries[identifier] = _entry(value, kind)

    def delete(self, identifier: str) -> bool:
        """Remove one secret; whether it was there. The objects that use it are not touched."""
        with self._writing() as entries:
            return entries.pop(identifier, None) is not None

    def ensure(self, wanted: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """
        Make those secrets that can be made and aren't there; the ids that were made.

        wanted
            By id: ``kind``, and optionally ``length`` and ``alphabet``. Given ones are passed over.
        """
        present = self._load()
        lacking = [
            identifier
            for identifier, spec in wanted.items()
            if identifier not in present and spec["kind"] != GIVEN
        ]
        if not lacking:
            return []
        made = []
        with self._writing() as entries:
            for identifier in lacking:
                if identifier in entries:  # another process was faster
                    continue
                spec = wanted[identifier]
                value = policy.generate(spec["kind"], spec.get("length"), spec.get("alphabet"))
                entries[identifier] = _entry(value, spec["kind"])
                made.append(identifier)
        return made

    def _load(self) -> dict[str, Any]:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _unusable(self.path, error) from None
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        kept = _read.get(str(self.path))
        if kept and kept[0] == stamp:
            return kept[1]
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise _unusable(self.path, error) from None
        entries = self._decrypt(content)
        _read[str(self.path)] = (stamp, entries)
        return entries

    def _decrypt(self, content: bytes) -> dict[str, Any]:
        try:
            key = self.key.read_bytes()
        except FileNotFoundError:
            raise Missing(
                f"the store {self.path} is there, but its key {self.key} isn't",
                remedy="bring the key back, or name its place as itstack:key; without it the store is lost",
            ) from None
        try:
            entries: dict[str, Any] = json.loads(Fernet(key).decrypt(content))["secrets"]
        except (InvalidToken, ValueError, KeyError):
            raise Denied(
                f"{self.key} doesn't open {self.path}",
                remedy="bring back the key that belongs to it, or the store from a backup",
            ) from None
        return entries

    @contextlib.contextmanager
    def _writing(self) -> Iterator[dict[str, Any]]:
        lock = self.path.with_name(self.path.name + ".lock")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            opened = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(lock, error) from None
        with os.fdopen(opened, "r+") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            entries = dict(self._load())
            yield entries
            self._write(entries)

    def _write(self, entries: dict[str, Any]) -> None:
        if not self.key.exists():
            if self.path.exists():
                raise Conflict(f"{self.path} is there without {self.key}", remedy="bring the key back")
            _replace(self.key, Fernet.generate_key())
        try:
            cipher = Fernet(self.key.read_bytes())
        except ValueError:
            raise Denied(
                f"{self.key} isn't a key", remedy="remove it, or name another place as itstack:key"
            ) from None
        _replace(
            self.path, cipher.encrypt(json.dumps({"version": 1, "secrets": entries}, sort_keys=True).encode())
        )


def _entry(value: str, kind: str) -> dict[str, Any]:
    return {"value": value, "kind": kind, "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def _unusable(path: pathlib.Path, error: OSError) -> ItstackError:
    return ItstackError(
        f"{path} can't be opened ({error.strerror})",
        remedy="run as the master's user, or correct its place (itstack:store, itstack:key) and rights",
    )


def _replace(path: pathlib.Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, content)
    except OSError as error:
        raise ItstackError(
            f"{path} can't be written ({error.strerror}); nothing was changed",
            remedy="make room or correct its place and rights, then run again",
        ) from None
