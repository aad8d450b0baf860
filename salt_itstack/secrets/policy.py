"""What a generated secret looks like, by kind."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass

from ..errors import Invalid, Problem

#: ASCII letters and digits only: the same bytes after SASLprep (SCRAM), in a URL, an env file, a PHP
#: array and a property file, so that no consumer needs quoting rules of its own.
PLAIN = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Policy:
    """Length in characters, and the characters to draw from."""

    length: int
    alphabet: str = PLAIN


#: 62 characters: 32 of them are 190 bits. A person's password also gets one of each class below.
POLICIES = {
    "password": Policy(32),
    "client-secret": Policy(40),
    "token": Policy(48),
    "person": Policy(24),
}
#: Kinds that nobody can choose: somebody else made them, and hands them to us.
GIVEN = frozenset({"given"})


def generate(kind: str, length: int | None = None, alphabet: str | None = None) -> str:
    """
    A new secret.

    kind
        One of :data:`POLICIES`.
    length
        Characters; the kind's own by default. Fewer than 16 are refused.
    alphabet
        Printable ASCII characters to draw from; at least ten different ones.

    Raises :class:`~salt_itstack.errors.Invalid` for a kind that isn't generated, or a weak policy.
    """
    policy = POLICIES.get(kind)
    if policy is None:
        known = ", ".join(sorted(POLICIES))
        raise Invalid(Problem("", "kind", kind, "secrets of this kind aren't generated", f"one of {known}"))
    size = policy.length if length is None else length
    letters = policy.alphabet if alphabet is None else alphabet
    if size < 16:
        raise Invalid(Problem("", "length", size, "too short for a secret", "16 characters or more"))
    if len(set(letters)) < 10 or not (letters.isascii() and letters.isprintable()) or " " in letters:
        raise Invalid(
            Problem(
                "",
                "alphabet",
                None,
                "not a usable alphabet",
                "at least ten different printable ASCII letters",
            )
        )
    while True:
        value = "".join(secrets.choice(letters) for _ in range(size))
        # Directories may ask for several classes of characters; a rare draw has none of one.
        if letters != PLAIN or (
            any(c.islower() for c in value)
            and any(c.isupper() for c in value)
            and any(c.isdigit() for c in value)
        ):
            return value
