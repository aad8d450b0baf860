"""
The way back: what only a server can make goes from the minion that made it to the master.

On the minion it lies sealed to the master's key, so that not even the minion can read it there again, and
signed with the minion's own. The master takes it only if the map makes that minion its producer.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from .. import atomic
from ..errors import Denied, Invalid, Missing, Problem
from . import fingerprint, seal

#: Of the event that tells the master that something lies there.
TAG = "itstack/made"


def hand_over(opts: Mapping[str, Any], identifier: str, value: str) -> bool:
    """
    Lay a secret down for the master to collect; whether it was another one, or none, before.

    opts
        The minion's ``__opts__``.
    identifier
        Id of the secret in the map.

    Raises :class:`Missing` where there is no master to hand it to, :class:`Denied` where a key can't be read.
    """
    if not value:
        raise Invalid(Problem("", identifier, None, "an empty secret", "give at least one character"))
    path = _path(opts, identifier)
    if lies_there(opts, identifier, value):
        return False
    said = json.dumps({"id": identifier, "minion": opts["id"], "value": value})
    sealed = seal.seal(said, _key(opts, "minion_master.pub"))
    parcel = {"sealed": sealed, "signature": seal.sign(sealed, _key(opts, "minion.pem"))}
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    atomic.write(path, json.dumps(parcel).encode())
    fingerprint.remember(opts, _name(identifier), value)
    return True


def lies_there(opts: Mapping[str, Any], identifier: str, value: str) -> bool:
    """Whether this value is what was laid down last, and still lies there."""
    return _path(opts, identifier).exists() and fingerprint.known(opts, _name(identifier), value) is True


def forget(opts: Mapping[str, Any], identifier: str) -> None:
    """Take back what was laid down, because the object is gone. What the master has collected stays there."""
    _path(opts, identifier).unlink(missing_ok=True)
    fingerprint.forget(opts, _name(identifier))


def parcels(opts: Mapping[str, Any], identifiers: Iterable[str]) -> dict[str, dict[str, str]]:
    """What lies there of these, sealed and signed, by id."""
    found = {}
    for identifier in identifiers:
        try:
            parcel = json.loads(_path(opts, identifier).read_text(encoding="utf-8"))
            found[identifier] = {"sealed": str(parcel["sealed"]), "signature": str(parcel["signature"])}
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def opened(
    parcel: Any,
    identifier: str,
    minion: str,
    minion_key: str,
    master_key: bytes,
    passphrase: bytes | None = None,
) -> str:
    """
    The secret that a minion handed over, on the master.

    minion
        The minion that the map makes the producer.
    minion_key
        The public key that the master accepted of it.
    master_key
        The master's private key.

    Raises :class:`Denied` for what isn't that minion's, or was made for another secret.
    """
    given = parcel if isinstance(parcel, Mapping) else {}
    sealed, signature = (str(given.get(part) or "") for part in ("sealed", "signature"))
    if not seal.signed_by(sealed, signature, minion_key):
        raise Denied(
            f"what was handed over as {identifier} isn't signed by {minion}, its producer by the map",
            remedy="nothing was taken; if the minion's key was renewed, accept the new one (salt-key)",
        )
    said = json.loads(seal.unseal(sealed, master_key, passphrase))
    if said.get("id") != identifier or said.get("minion") != minion:
        raise Denied(
            f"what {minion} handed over as {identifier} was made for another secret",
            remedy="nothing was taken; run the minion's highstate again",
        )
    return str(said["value"])


def _name(identifier: str) -> str:
    return f"handed over {identifier}"


def _path(opts: Mapping[str, Any], identifier: str) -> pathlib.Path:
    if not identifier or "/" in identifier or identifier.startswith("."):
        raise Invalid(Problem("", "id", identifier, "isn't the id of a secret", "give an id of the map"))
    return pathlib.Path(opts["cachedir"]) / "itstack" / "made" / f"{identifier}.json"


def _key(opts: Mapping[str, Any], name: str) -> bytes:
    path = pathlib.Path(opts["pki_dir"]) / name
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise Missing(
            f"there is no {path}, so nothing can be handed over to a master",
            remedy="run this on a minion whose key its master has accepted",
        ) from None
    except OSError as error:
        raise Denied(f"{path} can't be read ({error.strerror})", remedy="run as root") from None
