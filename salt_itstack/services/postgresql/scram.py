"""
SCRAM verifiers: what PostgreSQL keeps instead of a password.

We compute them ourselves, so that no password ever travels to the server, its log or its statistics, and
compare them, so that an unchanged password isn't written again.
Sources: RFC 5802 (the formula), RFC 4013 (SASLprep), PostgreSQL's src/common/scram-common.c.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import stringprep
import unicodedata

from ...errors import Invalid

ITERATIONS = 4096
SALT_BYTES = 16
STORED = re.compile(
    r"SCRAM-SHA-256\$(?P<iterations>\d+):(?P<salt>[A-Za-z0-9+/=]+)\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+"
)
_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


def verifier(password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """
    What the server would keep for a password.

    salt
        Random if not given.

    Raises :class:`Invalid` for an empty password, with which PostgreSQL lets nobody in.
    """
    if not password:
        raise Invalid("a role's password is empty", "give it a password, or leave it out")
    salt = os.urandom(SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", prepared(password), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored)}:{_text(server)}"


def matches(password: str, stored: str | None) -> bool:
    """Whether what the server keeps was made from this password; never for an MD5 hash or none."""
    found = STORED.fullmatch(stored or "")
    if not found:
        return False
    again = verifier(password, base64.b64decode(found["salt"]), int(found["iterations"]))
    return hmac.compare_digest(again, found.string)


def prepared(password: str) -> bytes:
    """
    The bytes that are hashed: SASLprep's form of the password, or, like PostgreSQL's own libraries, the
    password as it is where SASLprep forbids it.
    """
    mapped = "".join(
        " " if stringprep.in_table_c12(letter) else letter
        for letter in password
        if not stringprep.in_table_b1(letter)
    )
    normal = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    forbidden = not normal or any(test(letter) for letter in normal for test in _PROHIBITED)
    if forbidden or not _readable_in_one_direction(normal):
        return password.encode()
    return normal.encode()


def _readable_in_one_direction(text: str) -> bool:
    # RFC 3454, section 6: with a right-to-left letter there is no left-to-right one, and both ends are such.
    if not any(stringprep.in_table_d1(letter) for letter in text):
        return True
    if any(stringprep.in_table_d2(letter) for letter in text):
        return False
    return stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
