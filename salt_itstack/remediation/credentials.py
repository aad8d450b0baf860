"""
How a sender from outside proves itself: with the token, or with a signature made with it.

The signature is HMAC-SHA256 over the time, a dot and the body, so that the token doesn't travel and a
recorded request is worth nothing after some minutes.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message

#: Id of the secret in the master's store.
TOKEN = "repair-hook"
SCHEME = "Bearer "
TIME, SIGNATURE = "X-Itstack-Time", "X-Itstack-Signature"
#: Seconds for which a signature counts.
AGE = 300.0


@dataclass(frozen=True)
class Refusal:
    """Why a sender isn't let in."""

    status: int
    message: str
    remedy: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def signature(body: bytes, token: str, at: int) -> str:
    """The signature of a body, in hexadecimal."""
    return hmac.new(token.encode(), str(at).encode() + b"." + body, hashlib.sha256).hexdigest()


def allowed(headers: Message, body: bytes, token: str, now: float) -> Refusal | None:
    """``None`` for who proves itself, else the refusal. How long it takes tells nothing of the token."""
    given = headers.get("Authorization", "")
    signed, at = headers.get(SIGNATURE, ""), headers.get(TIME, "")
    if signed:
        if not (at.isascii() and at.isdigit() and len(at) < 12) or abs(now - int(at)) > AGE:
            return Refusal(403, "the signature is too old, or has no time", f"send {TIME} as seconds of now")
        right = hmac.compare_digest(signature(body, token, int(at)).encode(), signed.lower().encode())
    elif given.startswith(SCHEME):
        right = hmac.compare_digest(token.encode(), given[len(SCHEME) :].strip().encode())
    else:
        return Refusal(
            401,
            "who asks isn't said",
            f"send Authorization: Bearer TOKEN, or {SIGNATURE} and {TIME}",
            {"WWW_Authenticate": "Bearer"},
        )
    return None if right else Refusal(403, "the token or the signature isn't right")
