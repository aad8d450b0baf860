"""
Remember what secret was last written, without keeping it: for what no server gives back.

A fingerprint is keyed with the minion's own private key and lies in the minion's cache, readable by root
only. Nobody can test guesses against it without that key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from .. import atomic


def known(opts: Mapping[str, Any], name: str, value: str) -> bool | None:
    """
    Whether this is the value that was last written: ``None`` where nothing is remembered.

    opts
        Salt's ``__opts__``.
    name
        What the secret belongs to, with the server's address.
    value
        The secret.

    What was remembered with a key that the minion no longer has counts as not remembered.
    """
    try:
        kept = json.loads(_path(opts, name).read_text())
    except (OSError, ValueError):
        return None
    key = _key(opts)
    if not isinstance(kept, dict) or kept.get("key") != _key_name(key):
        return None
    return hmac.compare_digest(str(kept.get("value")), _digest(key, name, value))


def remember(opts: Mapping[str, Any], name: str, value: str) -> None:
    """Keep the fingerprint of a value that has just been written. Arguments as of :func:`known`."""
    key = _key(opts)
    kept = {"key": _key_name(key), "value": _digest(key, name, value)}
    atomic.write(_path(opts, name), json.dumps(kept).encode())


def forget(opts: Mapping[str, Any], name: str) -> None:
    """Drop a fingerprint, because the object is gone."""
    _path(opts, name).unlink(missing_ok=True)


def _folder(opts: Mapping[str, Any]) -> pathlib.Path:
    folder = pathlib.Path(opts["cachedir"]) / "itstack" / "fingerprints"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _path(opts: Mapping[str, Any], name: str) -> pathlib.Path:
    # Names hold addresses and slashes.
    return _folder(opts) / f"{hashlib.sha256(name.encode()).hexdigest()}.json"


def _key(opts: Mapping[str, Any]) -> bytes:
    try:
        return (pathlib.Path(opts["pki_dir"]) / "minion.pem").read_bytes()
    except OSError:
        # `salt-call --local` on a machine that never met a master.
        own = _folder(opts) / "key"
        if not own.exists():
            atomic.write(own, os.urandom(32))
        return own.read_bytes()


def _key_name(key: bytes) -> str:
    return hashlib.sha256(b"itstack fingerprint key" + key).hexdigest()[:16]


def _digest(key: bytes, name: str, value: str) -> str:
    return hmac.new(key, f"{name}\0{value}".encode(), hashlib.sha256).hexdigest()
