"""Ids, times and checks that many routes share."""

import base64
import hashlib
import hmac
import os
import re
import secrets
import threading
import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

_LETTERS = "ybndrfg8ejkmcpqxot1uwisza345h769"
_LOCK = threading.Lock()
_last = 0

USERNAME = re.compile(r"[a-z0-9._-]+")
CHANNEL_NAME = re.compile(r"[a-z0-9]+([a-z\-_0-9]+|(__)?)[a-z0-9]*")
TEAM_NAME = re.compile(r"[a-z0-9-]+")
RESERVED_USERNAMES = {"all", "channel", "matterbot", "system", "here"}
RESERVED_TEAMS = (
    "admin", "api", "channel", "claim", "error", "files", "help", "landing", "login", "mfa", "oauth", "plug",
    "plugins", "post", "signup", "boards", "playbooks",
)  # fmt: skip


def new_id():
    """26 random letters and digits, as the real server's ids."""
    return "".join(secrets.choice(_LETTERS) for _ in range(26))


def is_id(text):
    """Whether a text can be an id."""
    return isinstance(text, str) and len(text) == 26 and text.isalnum() and text.isascii()


def now():
    """Milliseconds since 1970; no two answers are the same, so that a later object is never as old as an
    earlier one."""
    global _last
    with _LOCK:
        _last = max(_last + 1, int(time.time() * 1000))
        return _last


def public_key():
    """The public half of a new signing key, as clients get it."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(key.public_bytes(serialization.Encoding.DER, form)).decode()


def password_hash(password):
    """A salted hash to keep. Light on purpose: a lab has two cores."""
    salt = os.urandom(16)
    return f"{salt.hex()}${_scrypt(password, salt)}"


def password_matches(password, kept):
    """Whether this is the password of the kept hash."""
    salt, _, digest = kept.partition("$")
    return bool(digest) and hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)), digest)


def _scrypt(password, salt):
    return hashlib.scrypt(password.encode(), salt=salt, n=2**10, r=8, p=1).hex()


def token_hash(token):
    """What is kept of a session's or access token's secret."""
    return hashlib.sha256(token.encode()).hexdigest()


def valid_username(name):
    """Whether a person, bot or hook may have this name."""
    return bool(1 <= len(name) <= 64 and USERNAME.fullmatch(name) and name not in RESERVED_USERNAMES)
