"""Whose key is whose: the public keys that the master accepted, and its own."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import salt.cache
import salt.utils.sdb

from .errors import Denied

_known: dict[tuple[Any, ...], Any] = {}


def public_key(opts: Mapping[str, Any], minion: str) -> str:
    """A minion's accepted public key, as PEM, or an empty text."""
    entry = _keys(opts).fetch("keys", minion)
    if not isinstance(entry, dict) or entry.get("state") != "accepted":
        return ""
    return entry.get("pub") or ""


def _keys(opts: Mapping[str, Any]) -> Any:
    """
    Salt's own access to the keys, whatever holds them; made once for each master, since that costs more than
    looking up a key.
    """
    driver = opts.get("keys.cache_driver", "localfs_key")
    master = (driver, opts.get("pki_dir"), opts.get("cachedir"))
    if master not in _known:
        _known[master] = salt.cache.Cache(dict(opts), driver=driver)
    return _known[master]


def master_key(opts: Mapping[str, Any]) -> tuple[bytes, bytes | None]:
    """The master's private key, and the passphrase that opens it. Raises :class:`Denied`."""
    path = pathlib.Path(opts["pki_dir"]) / "master.pem"
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise Denied(
            f"the master's key {path} can't be read ({error.strerror})",
            remedy="run this as the user that the master runs as",
        ) from None
    word = opts.get("key_pass")
    if isinstance(word, str) and word.startswith("sdb://"):
        word = salt.utils.sdb.sdb_get(word, dict(opts))
    return pem, str(word).encode() if word else None
